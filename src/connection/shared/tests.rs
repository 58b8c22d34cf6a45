//! What is written of a session, under which names, and what one connection has to itself.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use rmcp::model::ProtocolVersion;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::claim::{Claim, Claimed};
use super::key::{Keys, Subject};
use super::memory_store::MemoryStore;
use super::record::{Epoch, Found, Live, Record};
use super::store::{SharedSession, Sharing};
use crate::connection::handshake::Described;
use crate::host::SessionStore;
use crate::log::Logger;
use crate::secret::Secret;
use crate::transport::HttpSession;

const USER: Subject<'static> = Subject {
    user_id: Some("ada"),
    server_name: "files",
    endpoint: "https://files/mcp",
    fingerprint: "0123",
    client: "{}",
};

fn key() -> Secret {
    Secret::from("00112233445566778899aabbccddeeff")
}

/// A session as one process has it.
fn shared(store: &Arc<MemoryStore>, subject: &Subject<'_>, key: &Secret) -> Arc<SharedSession> {
    let sharing = Sharing::new(
        TaskTracker::new(),
        CancellationToken::new(),
        Handle::current(),
    );
    let store: Arc<dyn SessionStore> = Arc::clone(store) as _;
    let idle = Duration::from_mins(15);
    let host = (&store, &Arc::new(sharing));
    Arc::new(SharedSession::new(subject, key, idle, host, Logger::silent()).unwrap())
}

fn described(version: ProtocolVersion, instructions: &str) -> Described {
    let raw = |value: Value| serde_json::value::to_raw_value(&value).ok();
    let capabilities = json!({ "tools": { "listChanged": true }, "extensions": { "io.x/y": {} } });
    Described {
        version,
        capabilities: serde_json::from_value(capabilities.clone()).unwrap(),
        instructions: Some(instructions.to_owned()),
        raw_capabilities: raw(capabilities),
        server_info: raw(json!({ "name": "srv", "version": "1" })),
    }
}

fn live() -> Live {
    let http = HttpSession {
        id: Some(HeaderValue::from_static("hunter2")),
        version: None,
    };
    let described = described(ProtocolVersion::V_2025_06_18, "Be kind.");
    Live::of(&described, &http, "born".to_owned()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_record_opens_where_it_was_sealed_and_nowhere_else() {
    let store = Arc::<MemoryStore>::default();
    let ada = shared(&store, &USER, &key());
    let record = Record::from(live());
    assert_eq!(ada.replace(&Found::default(), &record).await, Some(true));
    let read = ada.read().await.unwrap().record.unwrap();
    assert_eq!(read.to_text(), record.to_text());
    let [text] = &store.values("session")[..] else {
        panic!("one record");
    };
    assert!(!text.contains("hunter2"));

    let bob = Subject {
        user_id: Some("bob"),
        ..USER
    };
    let bob = shared(&store, &bob, &key());
    let other_key = shared(&store, &USER, &Secret::from("00ff"));
    let lasting = Duration::from_mins(1);
    for other in [&bob, &other_key] {
        store.set(&other.keys.session, text, lasting).await.unwrap();
        let found = other.read().await.unwrap();
        assert!(found.record.is_none() && found.text.is_some());
    }
    for at in [0, 5, text.len() / 2, text.len() - 2] {
        let mut changed = text.clone().into_bytes();
        changed[at] = if changed[at] == b'B' { b'C' } else { b'B' };
        let changed = String::from_utf8(changed).unwrap();
        store
            .set(&ada.keys.session, &changed, lasting)
            .await
            .unwrap();
        assert!(ada.read().await.unwrap().record.is_none(), "byte {at}");
    }
}

#[test]
fn names_tell_everything_apart_and_say_no_secret() {
    let of = |subject: &Subject<'_>, key: &Secret| Keys::new(subject, key).unwrap().session;
    let all = [
        of(&USER, &key()),
        of(&USER, &Secret::from("00ff")),
        of(
            &Subject {
                user_id: None,
                ..USER
            },
            &key(),
        ),
        of(
            &Subject {
                user_id: Some(""),
                ..USER
            },
            &key(),
        ),
        of(
            &Subject {
                server_name: "file",
                ..USER
            },
            &key(),
        ),
        of(
            &Subject {
                endpoint: "https://other/mcp",
                ..USER
            },
            &key(),
        ),
        of(
            &Subject {
                fingerprint: "0124",
                ..USER
            },
            &key(),
        ),
        of(
            &Subject {
                client: "{\"roots\":{}}",
                ..USER
            },
            &key(),
        ),
    ];
    let distinct: std::collections::HashSet<_> = all.iter().collect();
    assert_eq!(distinct.len(), all.len());
    let read: Vec<String> = serde_json::from_str(&all[0]).unwrap();
    assert_eq!(read[..3], ["session", "ada", "files"]);
    assert!(read[3].len() == 64 && !all[0].contains("0123"));
}

#[test]
fn a_record_is_believed_as_a_server_is() {
    let good = serde_json::to_value(Record::from(live())).unwrap();
    let read = |value: &Value| Record::read(value.to_string().as_bytes());
    let text = |record: Option<Record>| record.and_then(|record| record.to_text());
    assert_eq!(text(read(&good)), Record::from(live()).to_text());
    let (described, http) = live().agreed().unwrap();
    assert_eq!(described.instructions.as_deref(), Some("Be kind."));
    assert!(described.capabilities.tools.is_some());
    let written = described.raw_capabilities.unwrap();
    assert!(written.get().contains("io.x/y"));
    assert!(described.server_info.unwrap().get().contains("srv"));
    assert_eq!(http.id.unwrap(), "hunter2");
    assert_eq!(http.version.unwrap(), "2025-06-18");
    for (member, odd) in [
        ("version", json!("2099-01-01")),
        ("version", json!("2026-07-28")),
        ("version", json!("2025-06-18\r\nX: y")),
        ("id", json!("a\r\nX: y")),
        ("id", json!("\u{e4}")),
        ("id", json!("")),
        ("id", json!(7)),
        ("born", Value::Null),
        ("next_range", json!(-1)),
        ("next_range", json!(1_u64 << 40)),
        ("users", json!({ "a": "b" })),
        ("capabilities", json!("all")),
    ] {
        let mut bad = good.clone();
        bad["Live"][member] = odd.clone();
        assert!(read(&bad).is_none(), "{member}: {odd}");
    }
    // As older versions have written it.
    let mut older = good;
    older["Live"]["capabilities"] = json!({ "tools": {} });
    let members = older["Live"].as_object_mut().unwrap();
    members.remove("server_info");
    assert!(read(&older).is_some());
    let deep = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
    assert!(Record::read(deep.as_bytes()).is_none());
    assert!(Record::read(&[0xff]).is_none());
}

#[test]
fn too_much_is_not_shared() {
    let of = |version, length| {
        let described = described(version, &"x".repeat(length));
        Live::of(&described, &HttpSession::default(), String::new())
    };
    assert!(of(ProtocolVersion::V_2025_06_18, 100 * 1024).is_some());
    assert!(of(ProtocolVersion::V_2025_06_18, 200 * 1024).is_none());
    // There are no sessions since then.
    assert!(of(ProtocolVersion::V_2026_07_28, 0).is_none());
}

#[test]
fn ranges_of_ids_are_each_taken_once_and_stay_whole_numbers() {
    let mut session = live();
    let taken: Vec<_> = [0, 0, 7, 0].map(|own| session.take_range(own)).into();
    assert_eq!(taken, [0, 1, 7, 8].map(Some));
    assert_eq!(session.next_range, 9);

    let last = (1 << 20) - 1;
    session.next_range = last;
    assert!(
        Found {
            record: Some(session.clone().into()),
            ..Found::default()
        }
        .usable(None, &[])
        .is_some()
    );
    assert_eq!(session.take_range(0), Some(last));
    let greatest = (u64::from(last) << 32) + u64::from(u32::MAX);
    assert!(greatest < 1 << 53, "Number.MAX_SAFE_INTEGER");
    assert_eq!(session.take_range(0), None);
    let used_up = Found {
        record: Some(session.into()),
        ..Found::default()
    };
    assert!(used_up.usable(None, &[]).is_none());
    assert_eq!(used_up.next_range(), 0);
}

#[test]
fn who_has_not_been_seen_for_long_is_forgotten() {
    let mut session = live();
    session.used_by("old", 1_000, 500);
    session.used_by("young", 1_400, 500);
    session.used_by("new", 1_501, 500);
    assert_eq!(session.users.keys().collect::<Vec<_>>(), ["new", "young"]);
}

#[tokio::test(start_paused = true)]
async fn one_at_a_time_has_a_claim() {
    let store = Arc::<MemoryStore>::default();
    let (one, two) = (shared(&store, &USER, &key()), shared(&store, &USER, &key()));
    let Claimed::Mine(claim) = Claim::stream(&one, "born").await else {
        panic!("it is free");
    };
    assert!(matches!(Claim::stream(&two, "born").await, Claimed::Taken));
    assert!(matches!(Claim::turn(&two).await, Claimed::Mine(_)));
    // That of another session is nobody's yet.
    assert!(matches!(
        Claim::stream(&two, "anew").await,
        Claimed::Mine(_)
    ));
    // It is kept for as long as somebody renews it, also where the store has lost it.
    assert!(timeout(Duration::from_mins(5), claim.keep()).await.is_err());
    assert!(matches!(Claim::stream(&two, "born").await, Claimed::Taken));
    store.clear();
    assert!(
        timeout(Duration::from_secs(30), claim.keep())
            .await
            .is_err()
    );
    assert!(matches!(Claim::stream(&two, "born").await, Claimed::Taken));
    drop(claim);
    sleep(Duration::from_millis(10)).await;
    let Claimed::Mine(second) = Claim::stream(&two, "born").await else {
        panic!("it was given back");
    };
    // Whoever was too late to renew hears that somebody else has it, and does not take it away.
    sleep(Duration::from_secs(61)).await;
    let Claimed::Mine(third) = Claim::stream(&one, "born").await else {
        panic!("its time is over");
    };
    second.keep().await;
    drop(second);
    sleep(Duration::from_millis(10)).await;
    assert!(matches!(Claim::stream(&two, "born").await, Claimed::Taken));
    drop(third);
}

#[tokio::test(start_paused = true)]
async fn a_session_is_one_logins() {
    let found = |logins: &[String]| Found {
        record: Some(
            Live {
                logins: logins.to_vec(),
                ..live()
            }
            .into(),
        ),
        ..Found::default()
    };
    let set = |name: &str| vec![name.to_owned()];
    for (of, login, is_usable) in [
        (vec![], vec![], true),
        (set("a"), set("a"), true),
        (set("a"), set("b"), false),
        (set("a"), vec![], false),
        (vec![], set("a"), false),
    ] {
        let usable = found(&of).usable(None, &login).is_some();
        assert_eq!(usable, is_usable, "{of:?} {login:?}");
        assert_eq!(found(&of).is_of_other(&login), !is_usable);
    }

    let store = Arc::<MemoryStore>::default();
    let shared = shared(&store, &USER, &key());
    let first = found(&set("0")).record.unwrap();
    shared.replace(&Found::default(), &first).await;
    shared.renew_login("another's", "x");
    for number in 0..8 {
        shared.renew_login(&number.to_string(), &(number + 1).to_string());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let found = shared.read().await.unwrap();
    for (name, is_usable) in [("x", false), ("0", false), ("1", true), ("8", true)] {
        assert_eq!(
            found.usable(None, &set(name)).is_some(),
            is_usable,
            "{name}"
        );
    }
}

#[test]
fn a_session_is_of_its_epoch() {
    let epoch = |name: &str| Epoch(Some(name.to_owned()));
    let none = Epoch::default;
    for (begun_in, now, is_usable) in [
        (none(), none(), true),
        (none(), epoch("a"), false),
        (epoch("a"), epoch("a"), true),
        (epoch("a"), epoch("b"), false),
        // The mark has expired.
        (epoch("a"), none(), true),
    ] {
        let record = Live {
            epoch: begun_in.clone(),
            ..live()
        };
        let found = Found {
            record: Some(record.into()),
            epoch: now,
            text: None,
        };
        assert_eq!(found.usable(None, &[]).is_some(), is_usable, "{begun_in:?}");
    }
    // As it was written before there were epochs.
    let mut old = serde_json::to_value(Record::from(live())).unwrap();
    old["Live"].as_object_mut().unwrap().remove("epoch");
    let read = Record::read(old.to_string().as_bytes()).unwrap();
    assert_eq!(read.to_text(), Record::from(live()).to_text());
}
