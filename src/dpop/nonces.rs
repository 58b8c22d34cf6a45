//! The nonces that servers want in proofs (RFC 9449, sections 8 and 9): the latest of each.

use http::HeaderMap;
use parking_lot::Mutex;
use url::Url;

use super::NONCE;

/// How many servers are remembered: a token's two, and those that they lead to.
const SERVERS: usize = 4;
const LONGEST: usize = 1024;

/// Who has given a nonce. That of an authorization server is none for a resource, also at the same origin.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Giver {
    pub is_resource: bool,
    pub origin: String,
}

impl Giver {
    pub fn new(url: &Url, is_resource: bool) -> Self {
        Self {
            is_resource,
            origin: url.origin().ascii_serialization(),
        }
    }
}

#[derive(Default)]
pub(super) struct Nonces(Mutex<Vec<(Giver, String)>>);

impl Nonces {
    pub fn of(&self, giver: &Giver) -> Option<String> {
        let known = self.0.lock();
        let (_, nonce) = known.iter().find(|(known, _)| known == giver)?;
        Some(nonce.clone())
    }

    /// Any answer may bring the nonce of the next request.
    pub fn note(&self, giver: Giver, headers: &HeaderMap) {
        let Some(nonce) = given(headers) else {
            return;
        };
        let mut known = self.0.lock();
        known.retain(|(known, _)| *known != giver);
        known.truncate(SERVERS - 1);
        known.insert(0, (giver, nonce.to_owned()));
    }
}

/// The nonce of an answer (RFC 9449, section 8.1), unless it is none.
pub(super) fn given(headers: &HeaderMap) -> Option<&str> {
    let nonce = headers.get(NONCE)?.to_str().ok()?;
    let is_good = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    let fits = !nonce.is_empty() && nonce.len() <= LONGEST && nonce.bytes().all(is_good);
    fits.then_some(nonce)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn giver(url: &str, is_resource: bool) -> Giver {
        Giver::new(&Url::parse(url).unwrap(), is_resource)
    }

    fn headers(nonce: &str) -> HeaderMap {
        HeaderMap::from_iter([(NONCE, HeaderValue::from_str(nonce).unwrap())])
    }

    #[test]
    fn the_latest_nonce_of_each_server() {
        let nonces = Nonces::default();
        let (server, resource) = (
            giver("https://h.test/token", false),
            giver("https://h.test/mcp", true),
        );
        nonces.note(server.clone(), &headers("a"));
        nonces.note(resource.clone(), &headers("b"));
        assert_eq!(nonces.of(&server).as_deref(), Some("a"));
        assert_eq!(nonces.of(&resource).as_deref(), Some("b"));
        nonces.note(server.clone(), &headers("c"));
        nonces.note(server.clone(), &HeaderMap::new());
        assert_eq!(nonces.of(&server).as_deref(), Some("c"));
        for other in 0..SERVERS {
            nonces.note(giver(&format!("https://{other}.test"), true), &headers("d"));
        }
        assert_eq!(nonces.of(&server), None, "the oldest are forgotten");
    }

    #[test]
    fn what_is_no_nonce_is_not_kept() {
        for nonce in ["", "a b", "a\"b", "a\\b", &"n".repeat(LONGEST + 1)] {
            assert_eq!(given(&headers(nonce)), None, "{nonce}");
        }
        assert_eq!(given(&headers("a~!#[].")), Some("a~!#[]."));
    }
}
