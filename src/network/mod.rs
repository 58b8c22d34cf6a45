//! One hardened HTTP client.
