use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue};
use url::{Url, form_urlencoded};

use super::*;
use crate::hex;
use crate::secret::Secret;

fn sent(secrets: &[&str]) -> SentSecrets {
    let secrets: Vec<_> = secrets.iter().map(|&secret| Secret::from(secret)).collect();
    secrets.into()
}

#[test]
fn long_texts_are_cut_and_controls_escaped() {
    let text = foreign_text(&"ö".repeat(5000), &SentSecrets::default());
    assert!(text.len() <= LONGEST + '…'.len_utf8() && text.ends_with("ö…"));
    let controls = foreign_text(&"\u{202e}".repeat(5000), &SentSecrets::default());
    assert!(controls.len() <= LONGEST + '…'.len_utf8() && controls.ends_with('…'));
    assert_eq!(
        foreign_text("a\r\n\u{1b}[31m\u{202e}b", &SentSecrets::default()),
        r"a\r\n\u{1b}[31m\u{202e}b"
    );
    let whole = "x".repeat(LONGEST);
    assert_eq!(foreign_text(&whole, &SentSecrets::default()), whole);
}

#[test]
fn unsafe_characters() {
    let unsafe_ones = "\u{0}\t\n\r\u{1b}\u{7f}\u{85}\u{9b}\u{ad}\u{61c}\u{180e}\u{200b}\u{200c}\u{200d}\u{200e}\u{200f}\
        \u{2028}\u{2029}\u{202a}\u{202e}\u{2060}\u{2066}\u{2069}\u{feff}\u{e0001}\u{e0041}\u{e007f}\
        \u{34f}\u{115f}\u{1160}\u{17b4}\u{17b5}\u{180b}\u{180f}\u{3164}\u{fe00}\u{fe0f}\u{ffa0}\u{e0100}\u{e01ef}";
    for character in unsafe_ones.chars() {
        let escaped = escape(&character.to_string()).into_owned();
        assert!(escaped.is_ascii() && escaped.starts_with('\\'), "{escaped}");
    }
    let harmless = "Größe: 5 µm – “ok” 日本語 🎉 \\ \" <a>";
    assert_eq!(escape(harmless), harmless);
}

type Encoding = (&'static str, fn(&str) -> String);

fn each_byte(text: &str, write: impl FnMut(u8) -> String) -> String {
    text.bytes().map(write).collect()
}

fn form(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn percent(text: &str) -> String {
    each_byte(text, |byte| format!("%{byte:02X}"))
}

const ENCODINGS: [Encoding; 25] = [
    ("raw", str::to_owned),
    ("capitals", str::to_uppercase),
    ("percent", percent),
    ("percent, lower case", |text| {
        each_byte(text, |byte| format!("%{byte:02x}"))
    }),
    ("percent twice", |text| percent(&percent(text))),
    ("percent three times", |text| {
        percent(&percent(&percent(text)))
    }),
    ("percent here and there", |text| {
        let mut odd = false;
        each_byte(text, |byte| {
            odd = !odd;
            if odd || byte == b'%' {
                format!("%{byte:02x}")
            } else {
                char::from(byte).to_string()
            }
        })
    }),
    ("form", form),
    ("JSON", |text| {
        each_byte(text, |byte| format!("\\u{byte:04x}"))
    }),
    ("JSON twice", |text| {
        each_byte(text, |byte| format!("\\\\u{byte:04X}"))
    }),
    ("JSON, slashes", |text| text.replace('/', "\\/")),
    ("HTML", |text| each_byte(text, |byte| format!("&#{byte};"))),
    ("HTML, long", |text| {
        each_byte(text, |byte| format!("&#{byte:012};"))
    }),
    ("HTML, without its end", |text| {
        each_byte(text, |byte| format!("&#{byte}"))
    }),
    ("HTML, hexadecimal", |text| {
        each_byte(text, |byte| format!("&#x{byte:X};"))
    }),
    ("x escapes", |text| {
        each_byte(text, |byte| format!("\\x{byte:02x}"))
    }),
    ("Base64", |text| STANDARD.encode(text)),
    ("Base64 without padding", |text| {
        STANDARD_NO_PAD.encode(text)
    }),
    ("base64url", |text| URL_SAFE.encode(text)),
    ("base64url without padding", |text| {
        URL_SAFE_NO_PAD.encode(text)
    }),
    ("Base64 of a form", |text| STANDARD.encode(form(text))),
    ("Base64 percent-encoded", |text| {
        percent(&STANDARD.encode(text))
    }),
    ("hexadecimal", |text| hex::encode(text.as_bytes())),
    ("hexadecimal, capitals", |text| {
        hex::encode(text.as_bytes()).to_uppercase()
    }),
    ("hexadecimal in groups", |text| {
        each_byte(text, |byte| format!("{byte:02x} "))
    }),
];

/// Numbers that only look like chance: a failure can be repeated.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn text(&mut self, length: usize) -> String {
        const CHARACTERS: &[u8] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=:% ";
        let one = |_| char::from(CHARACTERS[self.below(CHARACTERS.len())]);
        (0..length).map(one).collect()
    }
}

/// What of `secret` is to be read in `text`, when somebody has decoded it in every way known here.
fn is_told(text: &str, part: &str) -> Option<&'static str> {
    let lower = text.to_lowercase();
    ENCODINGS
        .iter()
        .find(|(_, encode)| {
            lower.contains(
                encode(part)
                    .trim_end_matches([' ', '='])
                    .to_lowercase()
                    .as_str(),
            )
        })
        .map(|(name, _)| *name)
}

#[test]
fn secrets_in_every_encoding_at_every_place() {
    let mut numbers = Numbers(7);
    for round in 0..6 {
        let length = [12, 13, 24, 43, 16, 64][round];
        let secret = numbers.text(length);
        let secret = secret.trim();
        // A part of the secret gives it away as well.
        let longest = secret.len() - 12;
        let from = numbers.below(longest + 1);
        let part = &secret[from..from + 12 + numbers.below(longest - from + 1)];
        for (name, encode) in ENCODINGS {
            for part in [secret, part] {
                let (before, after) = (round % 7, numbers.below(9));
                let (before, after) = (numbers.text(before), numbers.text(after));
                let around = format!("{before}{part}{after}");
                for text in [
                    format!("The grant {} is not known", encode(part)),
                    format!("The grant {} is not known", encode(&around)),
                ] {
                    let safe = foreign_text(&text, &sent(&["another-secret", secret]));
                    assert_eq!(
                        is_told(&safe, part),
                        None,
                        "{name} of {part:?} of {secret:?}:\n{text}\n{safe}"
                    );
                    if text.len() < LONGEST {
                        assert!(
                            safe.starts_with("The grant") && safe.ends_with("is not known"),
                            "{name}: {safe}"
                        );
                        assert!(safe.contains("***"), "{name}: {safe}");
                    }
                }
            }
        }
    }
}

#[test]
fn the_cut_leaves_no_part_of_a_secret() {
    let secret = "sk/live+0123456789~abcdefghij";
    for (name, encode) in ENCODINGS {
        for before in [LONGEST - 300, LONGEST - 24, LONGEST - 13, LONGEST - 5] {
            let text = format!("{}<{}>", "ö".repeat(before / 2), encode(secret));
            let safe = foreign_text(&text, &sent(&[secret, "of-another-one"]));
            for part in [secret, &secret[..12], &secret[..17]] {
                assert_eq!(is_told(&safe, part), None, "{name} at {before}: {safe}");
            }
        }
    }
}

#[test]
fn what_is_harmless_stays() {
    let sent = sent(&["secret-rt-honest", "hunter2", "abc", ""]);
    for text in [
        "The grant was revoked by an administrator",
        "AADSTS65001: The user or administrator has not consented to use the application",
        "secret-rt-ho is only eleven",
        "abc",
        "",
    ] {
        let text = text.replace("secret-rt-ho is", "secret-rt-h is");
        assert_eq!(foreign_text(&text, &sent), text);
    }
    assert_eq!(
        foreign_text("grant secret-rt-honest of hunter2: 50% off \\ done", &sent),
        "grant *** of ***: 50% off \\ done"
    );
    assert_eq!(foreign_text("no secret-rt-honesty", &sent), "no ***y");
}

#[test]
fn unseen_characters_hide_nothing() {
    let sent = sent(&["secret-rt-honest"]);
    for between in [
        "\u{200b}",
        "\n",
        "\u{2066}",
        "\u{e0041}",
        "\u{34f}",
        "\u{fe0f}",
        "\u{3164}",
        "\u{115f}",
        "\u{17b4}",
        "\u{180b}",
        "\u{ffa0}",
        "\u{e01ef}",
    ] {
        let hidden: Vec<_> = "secret-rt-honest".chars().map(String::from).collect();
        let text = format!("<{}>", hidden.join(between));
        assert_eq!(foreign_text(&text, &sent), "<***>");
    }
    let wrapped = STANDARD.encode("x".repeat(40) + "secret-rt-honest");
    let wrapped = format!("{}\r\n{}", &wrapped[..64], &wrapped[64..]);
    let safe = foreign_text(&wrapped, &sent);
    assert!(safe.contains("***") && !safe.contains("\\r\\n"), "{safe}");
}

#[test]
fn secrets_of_headers_and_urls() {
    let mut sent = SentSecrets::default();
    let mut headers = HeaderMap::new();
    let basic = format!("Basic {}", STANDARD.encode("client:p%2Fass word"));
    for (name, value) in [
        ("authorization", "Bearer short7"),
        ("proxy-authorization", basic.as_str()),
        ("x-api-key", "k3y!"),
        ("x-long", "looks-like-one-of-them"),
        ("x-tenant", "acme"),
        ("cookie", "a=1; session=c00kie; theme=dark"),
        ("accept-language", "application/json"),
    ] {
        headers.append(
            http::HeaderName::try_from(name).unwrap(),
            HeaderValue::from_str(value).unwrap(),
        );
    }
    sent.add_headers(&headers);
    sent.add_url(
        &Url::parse("https://me:pa55@h.test/p?token=t0k3n&a=b&long=this-is-a-long-one").unwrap(),
    );
    for secret in [
        "short7",
        "p%2Fass word",
        "p/ass word",
        "k3y!",
        "looks-like-one-of-them",
        "pa55",
        "c00kie",
        "t0k3n",
        "this-is-a-long-one",
    ] {
        assert_eq!(
            foreign_text(&format!("<{secret}>"), &sent),
            "<***>",
            "{secret}"
        );
    }
    let harmless = "acme asks for application/json, client, dark";
    assert_eq!(foreign_text(harmless, &sent), harmless);
}

#[test]
fn secrets_of_processes() {
    let mut sent = SentSecrets::default();
    for (name, value) in [
        ("GITHUB_PAT", "ghp_0123456789abcdef"),
        ("DB_PASSWORD", "hunter2"),
        ("DATABASE_URL", "postgres://postgres:pa55word@db.test/main"),
        ("HOME", "/home/somebody/node20/directory"),
        ("NODE_ENV", "production"),
        ("API_BASE", "https://api.example.test/v1"),
    ] {
        sent.add_variable(name, value);
    }
    let arguments = [
        "-y",
        "some-server",
        "--api-key",
        "k3y!",
        "--password=pa55",
        "0123456789abcdefg",
        "--port",
        "8080",
    ];
    sent.add_arguments(&arguments.map(str::to_owned));
    for secret in [
        "ghp_0123456789abcdef",
        "hunter2",
        "pa55word",
        "k3y!",
        "pa55",
        "0123456789abcdefg",
    ] {
        assert_eq!(
            foreign_text(&format!("<{secret}>"), &sent),
            "<***>",
            "{secret}"
        );
    }
    let harmless = "postgres of db.test in /home/somebody/node20/directory is production: https://api.example.test/v1, some-server, 8080";
    assert_eq!(foreign_text(harmless, &sent), harmless);
}

#[test]
fn a_hostile_text_takes_no_time() {
    let secrets: Vec<_> = (0..6).map(|seed| Numbers(seed).text(4096)).collect();
    let sent = sent(&secrets.iter().map(String::as_str).collect::<Vec<_>>());
    for (name, encode) in ENCODINGS {
        let hostile = encode(&encode(&"secret%25".repeat(300)));
        let begun = std::time::Instant::now();
        let safe = foreign_text(&hostile, &sent);
        println!("{name}: {:?} for {} bytes", begun.elapsed(), hostile.len());
        assert!(safe.len() <= LONGEST + '…'.len_utf8());
    }
}
