//! Grants without a user's login.

mod assertion;
