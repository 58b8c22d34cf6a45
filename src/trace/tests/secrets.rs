//! What servers make up, and what is secret by its name.

use super::*;

/// Six hundred members that are secret by their name, and the texts that a server was asked with.
fn inventions(repeated: &[&str]) -> String {
    let mut members: serde_json::Map<String, Value> = (0..600)
        .map(|number| {
            (
                format!("a{number}token"),
                json!(format!("invented {number}")),
            )
        })
        .collect();
    members.insert("message".to_owned(), json!(repeated));
    Value::Object(members).to_string()
}

#[test]
fn what_others_invent_pushes_out_no_secret() {
    const SENT: &str = "header-of-somebody";
    const CODE: &str = "code-of-somebody";
    const GIVEN: &str = "token-of-somebody";
    let mut redactor = Redactor::default();
    let asked = Arc::new(Asked {
        method: Method::POST,
        url: Url::parse("https://as.test/token").unwrap(),
        headers: headers(&[
            ("x-key", SENT),
            ("content-type", "application/x-www-form-urlencoded"),
        ]),
        secret_headers: vec![HeaderName::from_static("x-key")],
        body: Bytes::from(format!("code={CODE}")),
    });
    let after = std::time::Duration::ZERO;
    let mut line = |purpose, phase, asked: Option<&Arc<Asked>>| {
        let mut record = record(Event::Http {
            id: 7,
            purpose,
            phase,
        });
        record.asked = asked.cloned();
        lines::of(&record, &mut redactor)
    };
    let end = |body: String, grants| Phase::End {
        after,
        bytes: body.len(),
        body: body.into_bytes(),
        grants,
    };
    let granted = format!(r#"{{"access_token":"{GIVEN}","token_type":"Bearer"}}"#);
    line(Purpose::Token, Phase::Request, Some(&asked));
    line(Purpose::Token, end(granted, true), Some(&asked));
    for _ in 0..4 {
        for grants in [false, true] {
            let body = inventions(&[SENT, CODE, GIVEN, KEY]);
            let line = line(Purpose::Token, end(body, grants), Some(&asked));
            for secret in [SENT, CODE, GIVEN, KEY] {
                assert!(!line.contains(secret), "{secret} in {line}");
            }
        }
        let names: Vec<_> = (0..600).map(|number| format!("token=x-{number}")).collect();
        let query = names.join("&");
        let answer = Phase::Response {
            after,
            status: 400,
            headers: headers(&[("x-echo", SENT), (CODE, "x")])
                .into_iter()
                .chain([(
                    Some(HeaderName::from_static("location")),
                    HeaderValue::try_from(format!("/x?{query}")).unwrap(),
                )])
                .filter_map(|(name, value)| Some((name?, value)))
                .collect(),
        };
        let line = line(Purpose::Token, answer, Some(&asked));
        assert!(!line.contains(SENT) && !line.contains(CODE), "{line}");
    }
    // Nor does what others were sent meanwhile.
    for number in 0..1000 {
        let mut secrets = SentSecrets::default();
        secrets.add(format!("secret number {number} of many").as_str());
        redactor.make_room();
        redactor.learn(&secrets);
    }
    let mut record = record(message(SENT.as_bytes()));
    record.asked = Some(asked);
    assert!(!lines::of(&record, &mut redactor).contains(SENT));
}

#[test]
fn members_are_secret_by_their_name_whatever_they_are() {
    let word = "correct-horse-battery";
    let mut redactor = Redactor::default();
    for member in [
        json!({ "password": 8_472_910_365_u64 }),
        json!({ "password": [word] }),
        json!({ "session_token": { "value": word } }),
        json!({ "passwords": word }),
        json!({ "credentials": { "a": [1, word] } }),
        json!({ "api_keys": word }),
        json!({ "pwd": word }),
        json!({ "id_tokens": [word] }),
    ] {
        let whole = member.to_string();
        let is_cut = |line: &str| {
            assert!(
                !line.contains(word) && !line.contains("8472910365"),
                "{line}"
            );
            assert!(line.contains(REDACTED), "{line}");
        };
        let line = lines::of(&record(message(whole.as_bytes())), &mut redactor);
        is_cut(&line);
        // Where it is too long to be parsed, within and at the end of what is told.
        for long in [
            format!(r#"{{"arguments":{whole},"pad":"{}"}}"#, "x".repeat(LONGEST)),
            format!(
                r#"{{"pad":"{}","arguments":{whole}"#,
                "x".repeat(LONGEST - 100)
            ),
            format!(r#"{{"arguments":{}"#, whole.trim_end_matches(['}', ']'])),
        ] {
            let line = lines::of(&record(message(long.as_bytes())), &mut redactor);
            assert!(line.contains("arguments"), "{line}");
            is_cut(&line);
        }
    }
    // How much there is, what is not there, and what describes it, is told.
    let plain = json!({
        "maxTokens": 100, "token": null, "tokens": 12, "code": 401,
        "inputSchema": { "properties": { "password": { "type": "string" } } },
    });
    let line = told(&mut redactor, message(plain.to_string().as_bytes()));
    assert_eq!(line["message"], plain);
}

#[test]
fn of_tokens_only_what_is_public_is_told() {
    let body = json!({
        "access_token": "token-of-somebody", "token_type": "Bearer", "expires_in": 3600, "scope": "a b",
        "session_id": "session 1234", "authed_user": { "refresh": "refresh-of-somebody" }, "pin": 1234,
    });
    let body = body.to_string();
    let end = |purpose| Event::Http {
        id: 7,
        purpose,
        phase: Phase::End {
            after: std::time::Duration::ZERO,
            bytes: body.len(),
            body: body.clone().into_bytes(),
            grants: true,
        },
    };
    let line = told(&mut Redactor::default(), end(Purpose::Refresh));
    let of: Value = serde_json::from_str(line["body"].as_str().unwrap()).unwrap();
    assert_eq!(
        of,
        json!({
            "access_token": REDACTED, "token_type": "Bearer", "expires_in": 3600, "scope": "a b",
            "session_id": REDACTED, "authed_user": REDACTED, "pin": REDACTED,
        })
    );
    // What was registered is told.
    let line = told(&mut Redactor::default(), end(Purpose::Registration));
    assert!(line["body"].as_str().unwrap().contains("session 1234"));
}
