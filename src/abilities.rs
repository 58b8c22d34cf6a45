//! What a host can do beyond the `LibreChat` of June 2026.

/// Found out from the members that the host has, never from a version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and no two exclude each other"
)]
pub struct Abilities {
    /// It has `getMCPToolsCacheGeneration`.
    pub catalog_generations: bool,
    /// Its registry has `isAppServerConfig`.
    pub app_server_configs: bool,
    /// It recovers catalogs, which it tells when it creates its manager: a LibreChat of autumn, that strips servers' names
    /// off tools.
    pub recovers_catalogs: bool,
    /// It is no LibreChat: its registry is a `config`.
    pub is_embedded: bool,
}

impl Abilities {
    /// Whether it defers servers whose request body is missing altogether.
    #[must_use]
    pub fn is_current(self) -> bool {
        self.catalog_generations || self.app_server_configs
    }

    /// Whether users have ten minutes to authorize.
    #[must_use]
    pub fn gives_ten_minutes(self) -> bool {
        self.is_current() || self.is_embedded
    }
}
