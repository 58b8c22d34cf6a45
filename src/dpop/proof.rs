//! Making proofs (RFC 9449, section 4.2).

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, Method};
use ring::digest::{SHA256, digest};
use serde_json::{Map, Value, json};
use url::Url;

use super::nonces::{Giver, Nonces};
use crate::clock::now_ms;
use crate::error::{Code, Error, Result};
use crate::jws::SigningKey;
use crate::secret::Secret;

/// A client's key, and what servers want in proofs that are made with it. Clones share both; two are equal if their keys
/// are.
#[derive(Clone)]
pub struct Prover(Arc<Inner>);

struct Inner {
    key: SigningKey,
    thumbprint: String,
    nonces: Nonces,
}

impl Prover {
    /// With a new key, and its text, to be stored.
    pub fn generate() -> Result<(Self, Secret)> {
        let (key, text) = SigningKey::generate()?;
        Ok((Self::new(key), text))
    }

    /// With a key of [`Prover::generate`].
    ///
    /// Fails with [`Code::TokenStore`] for any other text.
    pub fn stored(text: &Secret) -> Result<Self> {
        let key = SigningKey::from_pkcs8_base64(text);
        let key =
            key.map_err(|_| Error::new(Code::TokenStore, "A stored DPoP key cannot be read"))?;
        Ok(Self::new(key))
    }

    fn new(key: SigningKey) -> Self {
        Self(Arc::new(Inner {
            thumbprint: key.thumbprint(),
            key,
            nonces: Nonces::default(),
        }))
    }

    /// Of its key (RFC 7638): `dpop_jkt` of an authorization request, and `jkt` of the tokens that are bound to it.
    #[must_use]
    pub fn thumbprint(&self) -> &str {
        &self.0.thumbprint
    }

    /// For requests to an authorization server, or, with a token, to a resource.
    #[must_use]
    pub fn proof(&self, token: Option<Secret>) -> Box<Proof> {
        Box::new(Proof {
            prover: self.clone(),
            token,
        })
    }
}

impl fmt::Debug for Prover {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("Prover")
            .field(&self.0.thumbprint)
            .finish()
    }
}

impl PartialEq for Prover {
    fn eq(&self, other: &Self) -> bool {
        self.0.thumbprint == other.0.thumbprint
    }
}

impl Eq for Prover {}

/// What a request proves, each time that it is sent.
#[derive(Debug, Clone)]
pub struct Proof {
    prover: Prover,
    token: Option<Secret>,
}

impl Proof {
    /// The header for one transmission to `url`: no two are the same, since servers take each once.
    pub fn header(&self, method: &Method, url: &Url) -> Result<HeaderValue> {
        let Inner { key, nonces, .. } = &*self.prover.0;
        let mut claims = json!({
            "jti": URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>()),
            "htm": method.as_str(),
            "htu": target(url),
            "iat": now_ms() / 1000,
        });
        if let Some(token) = &self.token {
            let hash = digest(&SHA256, token.expose().as_bytes());
            claims["ath"] = json!(URL_SAFE_NO_PAD.encode(hash));
        }
        if let Some(nonce) = nonces.of(&self.giver(url)) {
            claims["nonce"] = json!(nonce);
        }
        let header = Map::from_iter([
            ("typ".to_owned(), Value::from("dpop+jwt")),
            ("jwk".to_owned(), key.public_jwk()),
        ]);
        let proof = key.sign(header, &claims)?;
        let value = HeaderValue::from_str(proof.expose());
        let mut value = value.map_err(|_| Error::new(Code::Internal, "A proof is no header"))?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// Takes the nonce that an answer of `url` may have for the next proof.
    pub fn hear(&self, url: &Url, headers: &HeaderMap) {
        self.prover.0.nonces.note(self.giver(url), headers);
    }

    fn giver(&self, url: &Url) -> Giver {
        Giver::new(url, self.token.is_some())
    }
}

/// `htu`: the URL as HTTP sends it, without query and fragment.
fn target(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // Of a URL that cannot have them nothing is taken.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.into()
}

#[cfg(test)]
mod tests {
    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    use super::*;

    fn part(text: &str) -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
    }

    /// The header and the claims of a proof, whose signature is by the key that it names.
    fn read(proof: &HeaderValue) -> (Value, Value) {
        let text = proof.to_str().unwrap();
        let (signed, signature) = text.rsplit_once('.').unwrap();
        let (header, claims) = signed.split_once('.').unwrap();
        let (header, claims) = (part(header), part(claims));
        let coordinate = |name: &str| URL_SAFE_NO_PAD.decode(header["jwk"][name].as_str().unwrap());
        let point = [vec![4], coordinate("x").unwrap(), coordinate("y").unwrap()].concat();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
            .verify(signed.as_bytes(), &signature)
            .unwrap();
        (header, claims)
    }

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn a_proof_is_of_one_request_and_one_token() {
        let (prover, _) = Prover::generate().unwrap();
        let at = url("https://user:pass@h.test:8443/a%20b?query=1#fragment");
        // RFC 9449, section 7.1.
        let token = Secret::from("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU");
        let proof = prover.proof(Some(token));
        let header = proof.header(&Method::POST, &at).unwrap();
        assert!(header.is_sensitive());
        let (header, claims) = read(&header);
        assert_eq!(
            (&header["typ"], &header["alg"]),
            (&json!("dpop+jwt"), &json!("ES256"))
        );
        assert!(header["jwk"].get("d").is_none());
        assert_eq!(claims["htm"], "POST");
        assert_eq!(claims["htu"], "https://h.test:8443/a%20b");
        assert_eq!(claims["ath"], "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo");
        assert!(claims.get("nonce").is_none());
        assert!((now_ms() / 1000 - claims["iat"].as_i64().unwrap()).abs() < 60);

        let (_, other) = read(&proof.header(&Method::GET, &at).unwrap());
        assert_eq!(other["htm"], "GET");
        assert_ne!(other["jti"], claims["jti"]);
        let (_, of_server) = read(&prover.proof(None).header(&Method::POST, &at).unwrap());
        assert!(of_server.get("ath").is_none());
    }

    #[test]
    fn nonces_are_of_whoever_gave_them() {
        let (prover, _) = Prover::generate().unwrap();
        let at = url("https://h.test/mcp");
        let (server, resource) = (prover.proof(None), prover.proof(Some(Secret::from("t"))));
        let nonce = |proof: &Proof, at: &Url| {
            let (_, claims) = read(&proof.header(&Method::POST, at).unwrap());
            claims.get("nonce").cloned()
        };
        let given = |nonce: &str| {
            HeaderMap::from_iter([(super::super::NONCE, HeaderValue::from_str(nonce).unwrap())])
        };
        server.hear(&at, &given("a"));
        assert_eq!(
            nonce(&server, &url("https://h.test/token")),
            Some(json!("a"))
        );
        assert_eq!(nonce(&resource, &at), None);
        resource.hear(&at, &given("b"));
        assert_eq!(nonce(&resource, &at), Some(json!("b")));
        assert_eq!(nonce(&resource, &url("https://other.test/mcp")), None);
    }

    #[test]
    fn stored_keys_are_the_same_and_never_printed() {
        let (prover, text) = Prover::generate().unwrap();
        let again = Prover::stored(&text).unwrap();
        assert_eq!(again, prover);
        assert_ne!(Prover::generate().unwrap().0, prover);
        assert!(!format!("{:?}", prover.proof(None)).contains(text.expose().as_str()));
        let error = Prover::stored(&Secret::from("bm8ga2V5")).unwrap_err();
        assert_eq!(error.code, Code::TokenStore);
    }
}
