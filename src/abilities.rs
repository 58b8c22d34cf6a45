//! What a host can do beyond the `LibreChat` of June 2026.

/// Found out from the members that the host has, never from a version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Abilities {
    /// It has `getMCPToolsCacheGeneration`.
    pub catalog_generations: bool,
    /// Its registry has `isAppServerConfig`.
    pub app_server_configs: bool,
    /// It recovers catalogs, which it tells when it creates its manager: a LibreChat of autumn, that strips servers' names
    /// off tools.
    pub recovers_catalogs: bool,
}

impl Abilities {
    /// Whether it gives users ten minutes to authorize, and defers servers whose request body is missing altogether.
    #[must_use]
    pub fn is_current(self) -> bool {
        self.catalog_generations || self.app_server_configs
    }
}
