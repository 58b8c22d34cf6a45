//! What operators set through environment variables.
