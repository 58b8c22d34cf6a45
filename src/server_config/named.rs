//! What the texts of a config name that differs between users and calls.

/// Found once for each config, since every call asks for it. In the config of a user or a plugin all of it is plain text.
#[derive(Debug, Clone, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is the answer to a question of its own"
)]
pub(super) struct Named {
    /// Placeholders of the user, their login or the chat request are anywhere.
    pub is_personal: bool,
    /// Fields of the chat request are anywhere.
    pub is_request_scoped: bool,
    /// They are where they decide what a connection is made from.
    pub is_bound_to_request: bool,
    /// Those that a connection needs.
    pub body_fields: Vec<&'static str>,
    pub uses_graph_token: bool,
    /// Whether a header names a token or the chat request; not known where that is up to a variable of the environment.
    pub headers_of_calls: Option<bool>,
}
