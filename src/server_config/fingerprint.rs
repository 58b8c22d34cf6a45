//! What a connection is bound to.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use indexmap::IndexMap;

use super::model::ServerConfig;
use super::placeholders::{Context, Depth, Expander, Place};

/// Two equal fingerprints mean the same server, reached the same way with the same settings of the same user. Lives
/// in memory only: it covers secrets, and is not stable between versions.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(u64);

impl fmt::Debug for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Fingerprint(..)")
    }
}

/// Identifies what a connection is bound to: type, URL, command, arguments, environment, directory, proxy and
/// headers. The server's environment, the user's fields and variables are part of it; tokens and the chat request are
/// not, since they change from call to call.
#[must_use]
pub fn fingerprint(config: &ServerConfig, context: &Context<'_>) -> Fingerprint {
    let expander = Expander::new(context, config.is_user_sourced(), Depth::Lasting);
    let text = |template: &String, place| expander.text(template, place);
    let texts = |entries: &IndexMap<String, String>, place| -> Vec<(String, String)> {
        let entries = entries.iter();
        entries
            .map(|(name, template)| (name.clone(), text(template, place)))
            .collect()
    };

    let mut hasher = DefaultHasher::new();
    config.declared_type.hash(&mut hasher);
    let url = config.url.as_ref();
    url.map(|url| text(url, Place::UrlOrEnv)).hash(&mut hasher);
    config.command.hash(&mut hasher);
    let args = config.args.iter();
    let args: Vec<_> = args.map(|arg| text(arg, Place::Other)).collect();
    args.hash(&mut hasher);
    texts(&config.env, Place::UrlOrEnv).hash(&mut hasher);
    config.cwd.hash(&mut hasher);
    let proxy = config.proxy.as_deref();
    proxy
        .map(|proxy| expander.admin_text(proxy))
        .hash(&mut hasher);
    texts(&config.headers, Place::Header).hash(&mut hasher);
    Fingerprint(hasher.finish())
}
