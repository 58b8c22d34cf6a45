//! What of a config nobody but its server may read.

use url::Url;

use super::resolve::{ResolvedConfig, Transport};
use crate::foreign_text::SentSecrets;

impl ResolvedConfig {
    /// What was filled in, and what is secret of the URL, headers, proxy, environment and arguments.
    #[must_use]
    pub fn secrets(&self) -> SentSecrets {
        let mut sent = self.filled_in.clone();
        match &self.transport {
            Transport::Http {
                url,
                headers,
                proxy,
                ..
            } => {
                sent.add_url(url);
                for (name, value) in &**headers {
                    sent.add_header(name, value);
                }
                if let Some(proxy) = proxy.as_deref().and_then(|proxy| Url::parse(proxy).ok()) {
                    sent.add_url(&proxy);
                }
            }
            Transport::Stdio { args, env, .. } => {
                for (name, value) in env {
                    sent.add_variable(name, value);
                }
                sent.add_arguments(args);
            }
        }
        sent
    }
}
