//! Keys that sign, and what they sign: JSON Web Signatures in the compact form (RFC 7515), with the algorithms that
//! authorization servers speak (RFC 7518, section 3; RFC 8037).

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};
use ring::error::KeyRejected;
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Map, Value, json};

use crate::clock::now_ms;
use crate::error::{Code, Error, Result};
use crate::secret::Secret;

/// `client_assertion_type` (RFC 7523, section 2.2).
pub const CLIENT_ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How long an assertion about a client is valid, in seconds.
const ASSERTION_LIFETIME: i64 = 300;

/// What stands before a P-256 `ECPrivateKey` (RFC 5915) in PKCS#8, without the lengths: version 0 and the algorithm.
const P256_INFO: [u8; 24] = [
    0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08,
    0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07,
];

/// A private key, and the one algorithm that it signs with.
pub struct SigningKey {
    alg: &'static str,
    kind: Kind,
}

enum Kind {
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl SigningKey {
    /// Reads an unencrypted key: PKCS#8, PKCS#1 or SEC1; RSA from 2048 bits, P-256 or Ed25519. `alg` is one of `ES256`,
    /// `PS256`, `RS256` and `EdDSA`; without it the key says which, and RSA signs with `RS256`.
    ///
    /// Fails with [`Code::InvalidConfig`]; the message goes on after the name of what holds the key.
    pub fn from_pem(pem: &Secret, alg: Option<&str>) -> Result<Self> {
        let key = PrivateKeyDer::from_pem_slice(pem.expose().as_bytes()).map_err(|_| {
            Error::invalid_config(if pem.expose().contains("ENCRYPTED") {
                "holds an encrypted private key, which nobody can decrypt here"
            } else {
                "holds no private key in PEM"
            })
        })?;
        let key = match &key {
            PrivateKeyDer::Pkcs1(key) => rsa(RsaKeyPair::from_der(key.secret_pkcs1_der()), alg),
            PrivateKeyDer::Sec1(key) => p256(&to_pkcs8(key.secret_sec1_der())?),
            PrivateKeyDer::Pkcs8(key) => {
                let der = key.secret_pkcs8_der();
                if let Ok(key) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
                    Ok(Self::new("EdDSA", Kind::Ed25519(key)))
                } else {
                    p256(der).or_else(|_| rsa(RsaKeyPair::from_pkcs8(der), alg))
                }
            }
            _ => Err(wrong_kind()),
        }?;
        match alg {
            Some(alg) if alg != key.alg => Err(Error::invalid_config(format!(
                "holds a key that signs with {}, not with the `alg` that the config names",
                key.alg
            ))),
            _ => Ok(key),
        }
    }

    /// A new key for ES256, and its PKCS#8 in base64, to be stored.
    pub fn generate() -> Result<(Self, Secret)> {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)
            .map_err(|_| Error::new(Code::Internal, "The system gives no random numbers"))?;
        let text = Secret::new(STANDARD.encode(&pkcs8));
        Ok((p256(pkcs8.as_ref())?, text))
    }

    /// What [`SigningKey::generate`] gave to be stored.
    pub fn from_pkcs8_base64(text: &Secret) -> Result<Self> {
        p256(&STANDARD.decode(text.expose()).map_err(|_| wrong_kind())?)
    }

    const fn new(alg: &'static str, kind: Kind) -> Self {
        Self { alg, kind }
    }

    /// As it stands in a header (RFC 7518, section 3.1).
    #[must_use]
    pub const fn alg(&self) -> &'static str {
        self.alg
    }

    /// The public half (RFC 7517), with the members that a thumbprint is made of and no other, in their order.
    #[must_use]
    pub fn public_jwk(&self) -> Value {
        let encode = |part: &[u8]| URL_SAFE_NO_PAD.encode(part);
        match &self.kind {
            Kind::Rsa(key, _) => {
                let public: PublicKeyComponents<Vec<u8>> = key.public().into();
                json!({ "e": encode(&public.e), "kty": "RSA", "n": encode(&public.n) })
            }
            Kind::P256(key) => {
                // An uncompressed point: 4, then both coordinates (SEC 1, section 2.3.3).
                let (x, y) = key.public_key().as_ref()[1..].split_at(32);
                json!({ "crv": "P-256", "kty": "EC", "x": encode(x), "y": encode(y) })
            }
            Kind::Ed25519(key) => {
                json!({ "crv": "Ed25519", "kty": "OKP", "x": encode(key.public_key().as_ref()) })
            }
        }
    }

    /// SHA-256 of the public key, in base64url (RFC 7638).
    #[must_use]
    pub fn thumbprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, self.public_jwk().to_string().as_bytes()))
    }

    /// A token in the compact form. `header` is what it has besides `alg`.
    pub fn sign(&self, mut header: Map<String, Value>, claims: &Value) -> Result<Secret> {
        header.insert("alg".to_owned(), Value::from(self.alg));
        let encode = |part: String| URL_SAFE_NO_PAD.encode(part);
        let header = encode(Value::Object(header).to_string());
        let signed = format!("{header}.{}", encode(claims.to_string()));
        let signature = URL_SAFE_NO_PAD.encode(self.signature(signed.as_bytes())?);
        Ok(Secret::new(format!("{signed}.{signature}")))
    }

    /// What a client says about itself at `audience` (RFC 7523, section 3), for one request: `private_key_jwt`.
    pub fn client_assertion(
        &self,
        mut header: Map<String, Value>,
        client_id: &str,
        audience: &str,
    ) -> Result<Secret> {
        header.insert("typ".to_owned(), Value::from("JWT"));
        let now = now_ms() / 1000;
        let claims = json!({
            "aud": audience,
            "iss": client_id,
            "sub": client_id,
            "jti": URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>()),
            "nbf": now,
            "iat": now,
            "exp": now + ASSERTION_LIFETIME,
        });
        self.sign(header, &claims)
    }

    fn signature(&self, message: &[u8]) -> Result<Vec<u8>> {
        let random = SystemRandom::new();
        let signed = match &self.kind {
            Kind::Rsa(key, encoding) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(*encoding, &random, message, &mut signature)
                    .map(|()| signature)
            }
            Kind::P256(key) => key
                .sign(&random, message)
                .map(|signature| signature.as_ref().to_vec()),
            Kind::Ed25519(key) => Ok(key.sign(message).as_ref().to_vec()),
        };
        signed.map_err(|_| Error::new(Code::Internal, "A private key cannot sign"))
    }
}

fn rsa(key: Result<RsaKeyPair, KeyRejected>, alg: Option<&str>) -> Result<SigningKey> {
    let (alg, encoding): (_, &'static dyn RsaEncoding) = match alg {
        Some("PS256") => ("PS256", &RSA_PSS_SHA256),
        _ => ("RS256", &RSA_PKCS1_SHA256),
    };
    let key = key.map_err(|_| wrong_kind())?;
    Ok(SigningKey::new(alg, Kind::Rsa(key, encoding)))
}

fn p256(pkcs8: &[u8]) -> Result<SigningKey> {
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let key = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8, &SystemRandom::new());
    let key = key.map_err(|_| wrong_kind())?;
    Ok(SigningKey::new("ES256", Kind::P256(key)))
}

/// Puts an `ECPrivateKey` into PKCS#8, the one form in which ring reads it.
fn to_pkcs8(sec1: &[u8]) -> Result<Vec<u8>> {
    // DER: a tag, then the length, whose long form with one byte is enough for a key of this curve.
    let tagged = |tag: u8, content: &[u8]| {
        let length = u8::try_from(content.len()).map_err(|_| wrong_kind())?;
        let head: &[u8] = if length < 0x80 { &[tag] } else { &[tag, 0x81] };
        Ok::<_, Error>([head, &[length], content].concat())
    };
    tagged(0x30, &[&P256_INFO[..], &tagged(0x04, sec1)?].concat())
}

fn wrong_kind() -> Error {
    Error::invalid_config(
        "must hold an RSA key of 2048 to 4096 bits, an elliptic one on P-256 with its public half, or an Ed25519 one",
    )
}

#[cfg(test)]
pub(crate) mod tests {
    use rcgen::{KeyPair as Generated, PKCS_ECDSA_P384_SHA384};
    use ring::signature::{
        ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
        RsaPublicKeyComponents, UnparsedPublicKey,
    };

    use super::*;

    /// RFC 7515, appendix A.2.
    pub(crate) const RSA: &str = "-----BEGIN RSA PRIVATE KEY-----
MIIEowIBAAKCAQEAofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd/wWJcyQoTbji9k0
l8W26mPddxHmfHQp+Vaw+4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL+yRT+SFd2lZS+pC
gNMsD1W/YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb/7OMg0LOL+bSf63kpaSHSX
ndS5z5rexMdbBYUsLA9e+KXBdQOS+UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uD
Zlxvb3qCo5ZwKh9kG4LT6/I5IhlJH7aGhyxXFvUK+DWNmoudF8NAco9/h9iaGNj8
q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQIDAQABAoIBABKucaRpzQorw35S
bEUAVx8dYXUdZOlJcHtiWQ+dC6V8ljxAHj/PLyzTveyI5QO/xkObCyjIL303l2cf
UhPu2MFaJdjVzqACXuOrLot/eSFvxjvqVidTtAZExqFRJ9mylUVAoLvhowVWmC1O
n95fZCXxTUtxNEG1Xcc7m0rtzJKs45J+N/V9DP1edYH6USyPSWGp6wuA+KgHRnKK
Vf9GRx80JQY7nVNkL17eHoTWEwga+lwi0FEoW9Y7lDtWXYmKBWhUE+U8PGxlJf8f
40493HDw1WRQ/aSLoS4QTp3rn7gYgeHEvfJdkkf0UMhlknlo53M09EFPdadQ4TlU
bjqKc50CgYEA4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH/5IB3jw3bcxGn6QLvnE
tfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw/Py5PJdTJNPY8cQn7ouZ2KKDcmnPG
BY5t7yLc1QlQ5xHdwW1VhvKn+nXqhJTBgIPgtldC+KDV5z+y2XDwGUcCgYEAuQPE
fgmVtjL0Uyyx88GZFF1fOunH3+7cepKmtH4pxhtCoHqpWmT8YAmZxaewHgHAjLYs
p1ZSe7zFYHj7C6ul7TjeLQeZD/YwD66t62wDmpe/HlB+TnBA+njbglfIsRLtXlnD
zQkv5dTltRJ11BKBBypeeF6689rjcJIDEz9RWdcCgYAHAp9XcCSrn8wVkMVkKdb7
DOX4IKjzdahm+ctDAJN4O/y7OW5FKebvUjdAIt2GuoTZ71iTG+7F0F+lP88jtjP4
U4qe7VHoewl4MKOfXZKTe+YCS1XbNvfgwJ3Ltyl1OH9hWvu2yza7q+d5PCsDzqtm
27kxuvULVeya+TEdAB1ijQKBgQCH/3r6YrVH/uCWGy6bzV1nGNOdjKc9tmkfOJmN
54dxdixdpozCQ6U4OxZrsj3FcOhHBsqAHvX2uuYjagqvo3cOj1TRqNocX40omfCC
Mx3bD1yPPf/6TI2XECva/ggqEY2mYzmIiA5LVVmc5nrybr+lssFKneeyxN2Wq93S
0iJMdQKBgCGHewxzoa1r8ZMD0LETNrToK423K377UCYqXfg5XMclbrjPbEC3YI1Z
NqMtuhdBJqUnBi6tjKMF+34Xf0CUN8ncuXGO2CAYvO8PdyCixHX52ybaDjy1FtCE
6yUXjoKNXKvUm7MWGsAYH6f4IegOetN5NvmUMFStCSkh7ixZLkN1
-----END RSA PRIVATE KEY-----";
    /// RFC 8037, appendix A.
    const ED25519: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----";

    fn key(pem: &str, alg: Option<&str>) -> Result<SigningKey> {
        SigningKey::from_pem(&Secret::from(pem), alg)
    }

    fn pem(tag: &str, der: &[u8]) -> String {
        let text = STANDARD.encode(der);
        format!("-----BEGIN {tag}-----\n{text}\n-----END {tag}-----\n")
    }

    /// Signs, and gives what was signed and the signature.
    fn signed(key: &SigningKey) -> (String, Vec<u8>) {
        let token = key.sign(Map::new(), &json!({ "sub": "c" })).unwrap();
        let (signed, signature) = token.expose().rsplit_once('.').unwrap();
        let header = signed.split_once('.').unwrap().0;
        let header: Value =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
        assert_eq!(header["alg"], key.alg());
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        (signed.to_owned(), signature)
    }

    #[test]
    fn vectors_of_rfc_7515_and_8037() {
        let rsa = key(RSA, None).unwrap();
        let message = b"eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        assert_eq!(
            URL_SAFE_NO_PAD.encode(rsa.signature(message).unwrap()),
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
        );
        assert_eq!(rsa.public_jwk()["e"], "AQAB");
        let edwards = key(ED25519, None).unwrap();
        assert_eq!(edwards.alg(), "EdDSA");
        assert_eq!(
            edwards.thumbprint(),
            "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
        );
        let message = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
        assert_eq!(
            URL_SAFE_NO_PAD.encode(edwards.signature(message).unwrap()),
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
        );
    }

    #[test]
    fn both_algorithms_of_rsa() {
        for (alg, verification) in [
            (None, &RSA_PKCS1_2048_8192_SHA256),
            (Some("RS256"), &RSA_PKCS1_2048_8192_SHA256),
            (Some("PS256"), &RSA_PSS_2048_8192_SHA256),
        ] {
            let key = key(RSA, alg).unwrap();
            assert_eq!(key.alg(), alg.unwrap_or("RS256"));
            let (message, signature) = signed(&key);
            let decode = |name: &str| {
                let part = key.public_jwk()[name].as_str().unwrap().to_owned();
                URL_SAFE_NO_PAD.decode(part).unwrap()
            };
            let public = RsaPublicKeyComponents {
                n: decode("n"),
                e: decode("e"),
            };
            public
                .verify(verification, message.as_bytes(), &signature)
                .unwrap();
        }
    }

    #[test]
    fn a_new_key_is_stored_and_read() {
        let (made, stored) = SigningKey::generate().unwrap();
        let read = SigningKey::from_pkcs8_base64(&stored).unwrap();
        assert_eq!(read.thumbprint(), made.thumbprint());
        let (message, signature) = signed(&read);
        let jwk = made.public_jwk();
        let coordinate = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
        let point = [vec![4], coordinate("x"), coordinate("y")].concat();
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
            .verify(message.as_bytes(), &signature)
            .unwrap();
        for wrong in ["", "hunter2!", "aHVudGVyMg=="] {
            assert!(SigningKey::from_pkcs8_base64(&Secret::from(wrong)).is_err());
        }
    }

    #[test]
    fn pkcs8_and_sec1_are_the_same_key() {
        let (made, stored) = SigningKey::generate().unwrap();
        let der = STANDARD.decode(stored.expose()).unwrap();
        let pkcs8 = key(&pem("PRIVATE KEY", &der), Some("ES256")).unwrap();
        // In PKCS#8: two lengths and three bytes before what is not the key.
        let sec1 = &der[3 + P256_INFO.len() + 2..];
        let sec1 = key(&pem("EC PRIVATE KEY", sec1), None).unwrap();
        assert_eq!(pkcs8.thumbprint(), made.thumbprint());
        assert_eq!(sec1.thumbprint(), made.thumbprint());
    }

    #[test]
    fn keys_that_cannot_be_used() {
        let p384 = Generated::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        let sec1 = pem("EC PRIVATE KEY", &[7; 300]);
        for (text, alg, expected) in [
            ("hunter2", None, "no private key in PEM"),
            (&p384.serialize_pem(), None, "must hold an RSA key"),
            (&sec1, None, "must hold an RSA key"),
            (
                &pem("RSA PRIVATE KEY", b"hunter2"),
                None,
                "must hold an RSA key",
            ),
            (&pem("ENCRYPTED PRIVATE KEY", b"hunter2"), None, "encrypted"),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,AA\n\naHVu\n-----END RSA PRIVATE KEY-----",
                None,
                "encrypted",
            ),
            (RSA, Some("ES256"), "signs with RS256"),
            (RSA, Some("none"), "signs with RS256"),
            (ED25519, Some("RS256"), "signs with EdDSA"),
        ] {
            let Err(error) = key(text, alg) else {
                panic!("must not work: {expected}");
            };
            assert_eq!(error.code, Code::InvalidConfig);
            assert!(error.message.contains(expected), "{error}");
            assert!(!error.message.contains("hunter2"));
        }
    }

    #[test]
    fn an_assertion_says_who_where_and_for_how_long() {
        let (key, _) = SigningKey::generate().unwrap();
        let claims = |token: &Secret| {
            let payload = token.expose().split('.').nth(1).unwrap().to_owned();
            let payload = URL_SAFE_NO_PAD.decode(payload).unwrap();
            serde_json::from_slice::<Value>(&payload).unwrap()
        };
        let make = || key.client_assertion(Map::new(), "c", "https://as.test");
        let (one, other) = (claims(&make().unwrap()), claims(&make().unwrap()));
        assert_eq!(one["iss"], "c");
        assert_eq!(one["sub"], "c");
        assert_eq!(one["aud"], "https://as.test");
        let at = |name: &str| one[name].as_i64().unwrap();
        assert_eq!(at("exp") - at("iat"), ASSERTION_LIFETIME);
        assert_ne!(one["jti"], other["jti"]);
    }
}
