//! Servers that repeat what they were sent, on every transport and in every place that an error or a log line is made
//! from.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

mod support;

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use librechat_mcp_native::connection::{Recipe, list_tools};
use librechat_mcp_native::error::{Cause, Error};
use serde_json::{Value, json};
use support::scripted::{Action, Scripted, events, reply, with_headers};
use support::server::{Server, initialized, stdio_config, tools};
use support::wire::{EVERY_WIRE, Step, Wire, frame};
use support::{Records, logged, open, recipe, until, with_bearer, within};

/// Characters that differ between the alphabets of Base64, and in percent-encoding.
const SECRET: &str = "sk/live+0123456789~abcdefghij";
/// A part of it gives it away too.
const PART: &str = "0123456789~abc";

fn each_byte(text: &str, write: fn(u8) -> String) -> String {
    text.bytes().map(write).collect()
}

fn encodings(text: &str) -> Vec<String> {
    vec![
        text.to_owned(),
        each_byte(text, |byte| format!("%{byte:02X}")),
        each_byte(text, |byte| format!("\\u{byte:04x}")),
        each_byte(text, |byte| format!("{byte:02x}")),
        STANDARD.encode(text),
        URL_SAFE_NO_PAD.encode(text),
    ]
}

/// What a server makes of the secret: whole, in part, and beside something else.
fn echoes() -> String {
    let around = format!("client-of:{SECRET}");
    let mut text = "you sent".to_owned();
    for echo in [SECRET, PART, &around].into_iter().flat_map(encodings) {
        write!(text, " <{echo}>").unwrap();
    }
    text
}

/// Neither the secret nor a part of it is in the text, in any of the encodings.
fn assert_silent(what: &str, text: &str) {
    for form in [SECRET, PART].into_iter().flat_map(encodings) {
        let form = form.trim_end_matches('=').to_lowercase();
        assert!(
            !text.to_lowercase().contains(&form),
            "{what}: {form} in {text}"
        );
    }
    let (_, in_the_middle) = (
        STANDARD.encode(SECRET),
        &STANDARD.encode(format!("client-of:{SECRET}"))[20..40],
    );
    assert!(
        !text.contains(in_the_middle),
        "{what}: {in_the_middle} in {text}"
    );
}

/// Everything that can be read of an error.
fn everything(error: &Error) -> String {
    let cause = match &error.cause {
        Some(Cause::Error(cause)) => everything(cause),
        _ => String::new(),
    };
    format!("{error} {error:?} {cause}")
}

fn assert_all_silent(what: &str, error: &Error, records: &Records) {
    assert_silent(what, &everything(error));
    assert_silent(what, &records.text());
}

fn failure(id: &Value) -> Vec<u8> {
    let error = json!({ "code": -32000, "message": echoes(), "data": echoes() });
    json!({ "jsonrpc": "2.0", "id": id, "error": error })
        .to_string()
        .into_bytes()
}

/// A recipe whose secret goes out as the transport has it.
fn sending(mut config: Value) -> Recipe {
    if config.get("command").is_some() {
        config["env"] = json!({ "API_KEY": SECRET });
    } else {
        config["headers"] = json!({ "x-api-key": SECRET });
    }
    recipe(config)
}

#[tokio::test]
async fn errors_of_requests() {
    for wire in EVERY_WIRE {
        let script = |wire: Wire, id: &Value| vec![Step::Send(wire.answer(&[&failure(id)]))];
        let server = Server::start(wire, script).await;
        let config = match wire {
            Wire::Stdio => stdio_config(script),
            _ => server.config(),
        };
        let (recipe, records) = logged(sending(config));
        let connection = open(&recipe).await.unwrap();
        let error = list_tools(&connection, &within(20.0)).await.err().unwrap();
        assert!(
            error.message.contains("MCP error -32000: you sent <***>"),
            "{error}"
        );
        assert_all_silent(&format!("{wire:?}"), &error, &records);
        connection.close().await;
    }
}

#[tokio::test]
async fn what_is_no_message() {
    for wire in [Wire::Sse, Wire::WebSocket, Wire::Stdio] {
        let script = |wire: Wire, id: &Value| {
            let garbage = format!("{{ {}", &echoes()[..150]);
            // Whoever shortens it must not shorten the secret.
            let long =
                |before: usize| format!("{{ {}{SECRET}{}", "-".repeat(before), "-".repeat(99));
            let [short, longer] = [174, 1900].map(long);
            let texts = [garbage.as_bytes(), short.as_bytes(), longer.as_bytes()];
            vec![Step::Send(wire.answer(&[
                texts[0],
                texts[1],
                texts[2],
                &tools(id),
            ]))]
        };
        let server = Server::start(wire, script).await;
        let config = match wire {
            Wire::Stdio => stdio_config(script),
            _ => server.config(),
        };
        let (recipe, records) = logged(sending(config));
        let connection = open(&recipe).await.unwrap();
        list_tools(&connection, &within(20.0)).await.unwrap();
        assert!(records.has("you sent"), "{wire:?}: {}", records.text());
        assert_silent(&format!("{wire:?}"), &records.text());
        connection.close().await;
    }
}

/// What is written for a character that nobody would see must not hide a secret from whoever looks for it.
#[tokio::test]
async fn secrets_with_invisible_characters() {
    const INVISIBLE: &str = "abcdefghijk\u{200b}lmnopqrstuv";
    for wire in [Wire::Sse, Wire::WebSocket, Wire::Stdio] {
        let script = |wire: Wire, id: &Value| {
            let garbage = format!("you sent {INVISIBLE}.");
            vec![Step::Send(wire.answer(&[garbage.as_bytes(), &tools(id)]))]
        };
        let server = Server::start(wire, script).await;
        let config = match wire {
            Wire::Stdio => stdio_config(script),
            _ => server.config(),
        };
        let (mut recipe, records) = logged(recipe(config));
        recipe.config.filled_in.add(INVISIBLE);
        let connection = open(&recipe).await.unwrap();
        list_tools(&connection, &within(20.0)).await.unwrap();
        let text = records.text();
        assert!(text.contains("you sent ***."), "{wire:?}: {text}");
        connection.close().await;
    }
}

#[tokio::test]
async fn reasons_of_websockets() {
    let script = |_: Wire, _: &Value| {
        let reason = format!("you sent {SECRET}");
        vec![Step::Send(frame(
            0x88,
            &[&1008_u16.to_be_bytes(), reason.as_bytes()].concat(),
        ))]
    };
    let server = Server::start(Wire::WebSocket, script).await;
    let (recipe, records) = logged(sending(server.config()));
    let connection = open(&recipe).await.unwrap();
    let error = list_tools(&connection, &within(20.0)).await.err().unwrap();
    until("the reason", || records.has("you sent")).await;
    assert_all_silent("a reason", &error, &records);
}

#[tokio::test]
async fn stderr_of_processes() {
    let program =
        "console.error(`key ${process.env.API_KEY} ${process.argv}`); setTimeout(() => {}, 200)";
    let args = ["-e", program, "--", "--token", "argument-0123456789"];
    let config = json!({ "command": "node", "args": args, "stderr": "pipe", "initTimeout": 3000 });
    let (recipe, records) = logged(sending(config));
    let error = open(&recipe).await.err().unwrap();
    until("the line", || records.has("key ***")).await;
    assert_all_silent("stderr", &error, &records);
    assert!(!records.has("argument-0123456789"), "{}", records.text());
}

/// Answers of every kind to `initialize`, with the token of the connection in each of their parts.
#[tokio::test]
async fn answers_over_http() {
    type Answer = fn(&Value) -> Action;
    let cases: [(&str, Answer); 8] = [
        ("an error", |id| {
            reply("200 OK", "application/json", &failure(id))
        }),
        ("an error with HTTP 400", |id| {
            reply("400 Bad Request", "application/json", &failure(id))
        }),
        ("a text with HTTP 500", |_| {
            reply("500 Oops", "text/plain", echoes().as_bytes())
        }),
        ("a content type", |_| {
            reply("200 OK", &format!("text/{SECRET}"), b"x")
        }),
        ("an event", |id| {
            events(&format!(
                "data: {}\n\n",
                String::from_utf8_lossy(&failure(id))
            ))
        }),
        ("a place to go to", |_| {
            with_headers(
                "307 Go",
                &format!("location: /{SECRET}/{}\r\n", STANDARD.encode(SECRET)),
                "text/plain",
                b"",
            )
        }),
        ("a host to go to", |_| {
            with_headers(
                "307 Go",
                &format!("location: http://{PART}.invalid/\r\n"),
                "text/plain",
                b"",
            )
        }),
        ("a challenge", |_| {
            let header = format!(
                "www-authenticate: Bearer error=\"x\", scope=\"{SECRET}\", error_description=\"{SECRET}\"\r\n"
            );
            with_headers("401 No", &header, "text/plain", echoes().as_bytes())
        }),
    ];
    for (name, answer) in cases {
        let server = Scripted::start(move |request| {
            // What was led elsewhere ends there.
            if request.method == "POST" && request.target == "/mcp" {
                answer(&request.message["id"])
            } else {
                reply("404 Not Found", "text/plain", b"")
            }
        })
        .await;
        let config =
            json!({ "type": "streamable-http", "url": server.url("/mcp"), "initTimeout": 3000 });
        let (recipe, records) = logged(with_bearer(recipe(config), SECRET));
        let attempt = async {
            tokio::select! {
                outcome = open(&recipe) => outcome.err(),
                () = until("the first failure", || records.has("attempt 1/3 failed")) => None,
            }
        };
        match attempt.await {
            Some(error) => assert_all_silent(name, &error, &records),
            None => assert_silent(name, &records.text()),
        }
        assert!(
            server
                .received()
                .iter()
                .any(|request| request.header("authorization").is_some())
        );
    }
}

#[tokio::test]
async fn headers_of_a_call() {
    let server = Scripted::start(|request| match request.rpc() {
        "initialize" => reply("200 OK", "application/json", &initialized(&request.message)),
        "tools/call" => reply(
            "200 OK",
            "application/json",
            &failure(&request.message["id"]),
        ),
        _ => reply("202 Accepted", "text/plain", b""),
    })
    .await;
    let config = json!({ "type": "streamable-http", "url": server.url("/mcp") });
    let (recipe, records) = logged(recipe(config));
    let connection = open(&recipe).await.unwrap();
    for (name, value) in [
        ("authorization", format!("Bearer {SECRET}")),
        (
            "authorization",
            format!("Basic {}", STANDARD.encode(format!("user:{SECRET}"))),
        ),
        ("cookie", format!("session={SECRET}")),
        ("x-anything", SECRET.to_owned()),
    ] {
        let mut options = within(20.0);
        let headers = [(name.try_into().unwrap(), value.parse().unwrap())];
        options.headers = Some(std::sync::Arc::new(headers.into_iter().collect()));
        let outcome = connection.request("tools/call", None, &options).await;
        assert_all_silent(name, &outcome.err().unwrap(), &records);
    }
}

#[tokio::test]
async fn errors_begin_as_hosts_know_them() {
    let script = |wire: Wire, id: &Value| {
        let error = json!({ "code": -32000, "message": "an error" });
        let answer = json!({ "jsonrpc": "2.0", "id": id, "error": error }).to_string();
        vec![Step::Send(wire.answer(&[answer.as_bytes()]))]
    };
    let server = Server::start(Wire::Json, script).await;
    let recipe = with_bearer(recipe(server.config()), "error");
    let connection = open(&recipe).await.unwrap();
    let outcome = connection.request("tools/list", None, &within(20.0)).await;
    assert_eq!(outcome.err().unwrap().message, "MCP error -32000: an ***");
}

/// What users put into a URL, an argument or the environment is theirs, whatever it is called there.
#[tokio::test]
async fn variables_of_users() {
    use indexmap::IndexMap;
    use librechat_mcp_native::host::Environment;
    use librechat_mcp_native::server_config::{Context, ServerConfig, resolve};

    let variables = IndexMap::from([("PLACE".to_owned(), "hunter22".to_owned())]);
    let environment =
        Environment::from([("THE_TOKEN", "of-the-operator"), ("HOST", "example.test")]);
    let context = Context {
        custom_user_vars: Some(&variables),
        ..Context::of_environment(&environment)
    };
    let config = json!({
        "url": "https://${HOST}/{{PLACE}}?a=${THE_TOKEN}", "type": "streamable-http",
        "customUserVars": { "PLACE": { "title": "Place", "description": "" } },
    });
    let config = ServerConfig::from_members(config.as_object().unwrap().clone()).unwrap();
    let mut recipe = recipe(json!({ "url": "https://example.test" , "type": "streamable-http" }));
    recipe.config = resolve(&config, &context).unwrap();
    let sent = recipe.sent_secrets(None, None);
    let text = "https://example.test/hunter22?a=of-the-operator aHVudGVyMjI=";
    assert_eq!(
        librechat_mcp_native::foreign_text::foreign_text(text, &sent),
        "https://example.test/***?a=*** ***="
    );
}
