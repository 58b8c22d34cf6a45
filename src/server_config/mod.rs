//! What a server is: model, validation, placeholders, policy.
