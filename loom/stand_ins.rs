//! What the files name of the rest of the crate, as far as they use it.

pub mod error {
    use std::time::Duration;

    pub type Result<T, E = Error> = std::result::Result<T, E>;

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Code {
        Aborted,
        Closed,
        Internal,
        RateLimited,
    }

    #[derive(Debug, Clone)]
    pub struct Error {
        pub code: Code,
    }

    impl Error {
        pub fn new(code: Code, _: impl Into<String>) -> Self {
            Self { code }
        }

        pub fn aborted() -> Self {
            Self::new(Code::Aborted, "")
        }

        pub fn closed() -> Self {
            Self::new(Code::Closed, "")
        }

        pub fn internal() -> Self {
            Self::new(Code::Internal, "")
        }

        pub fn with_retry_after(self, _: Duration) -> Self {
            self
        }
    }
}

pub mod server_config {
    use std::time::Duration;

    #[derive(Clone, Default, PartialEq, Eq, Hash)]
    pub struct CallLimits {
        pub per_user: Option<Rate>,
        pub per_server: Option<Rate>,
        pub concurrency: Option<u32>,
        pub queue: Option<u32>,
    }

    #[derive(Clone, Copy, PartialEq, Eq, Hash)]
    pub struct Rate {
        pub calls: u32,
        pub per: Duration,
    }
}

pub mod telemetry {
    use std::time::Duration;

    pub struct Queued {
        pub running: u64,
        pub waiting: u64,
        pub users: u64,
        pub oldest: Duration,
    }
}
