//! Micro-benchmarks of what every request, or every byte of an answer, goes through: `cargo bench`.
#![allow(
    clippy::unwrap_used,
    reason = "a benchmark that cannot set up its data ends"
)]

#[path = "../tests/obo/host.rs"]
#[allow(dead_code, reason = "tests use more of it")]
mod host;
#[path = "../tests/obo/idp.rs"]
#[allow(dead_code, reason = "tests use more of it")]
mod idp;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use indexmap::IndexMap;
use librechat_mcp_native::host::{Environment, Logger, NetworkRules};
use librechat_mcp_native::network::HttpClient;
use librechat_mcp_native::obo::{Exchange, ExchangedTokens, Obo};
use librechat_mcp_native::server_config::{Context, ServerConfig, fingerprint, resolve};
use librechat_mcp_native::tools::RawTools;
use librechat_mcp_native::transport::message::{self, Incoming, Outcome};
use librechat_mcp_native::transport::{EventLimits, EventParser};
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Bytes that a socket hands over at once.
const PIECE: usize = 16 * 1024;

/// A whole lookup: whose token it is, the key, the cache, the remaining lifetime.
fn obo_cached(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let (obo, host) = runtime.block_on(async {
        let idp = idp::Idp::start(Duration::ZERO, |_, _| idp::token("exchanged", 3600)).await;
        let (mut host, _) = host::host(&Arc::new(host::Parts::new(&idp.endpoint)), None);
        host.logger = Logger::silent();
        let tokens =
            ExchangedTokens::new(TaskTracker::new(), CancellationToken::new(), Arc::default());
        (Obo::new(HttpClient::new(), tokens), host)
    });
    let (user, access_token) = (host::user(1), host::federated(1));
    let lookup = async || {
        let exchange = Exchange {
            server_name: "",
            host: &host,
            user: &user,
            access_token: &access_token,
            scopes: "api://down/.default",
            from_cache: true,
            rejected: None,
            deadline: Instant::now() + Duration::from_secs(15),
        };
        black_box(obo.exchange(&exchange).await.unwrap());
    };
    runtime.block_on(lookup());
    criterion.bench_function("obo_cached", |bencher| {
        bencher.to_async(&runtime).iter(lookup);
    });
}

/// A tool list of a megabyte as one event, and the same bytes as many small ones.
fn events(criterion: &mut Criterion) {
    let small = format!("event: message\nid: 7\ndata: {}\n\n", "x".repeat(200));
    let streams = [
        (
            "one large",
            format!("event: message\ndata: {}\n\n", "x".repeat(1 << 20)),
        ),
        ("many small", small.repeat((1 << 20) / small.len())),
    ];
    let mut group = criterion.benchmark_group("sse_events");
    for (name, stream) in streams {
        group.throughput(Throughput::Bytes(stream.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut parser = EventParser::new(EventLimits {
                    line: 5 << 20,
                    event: 16 << 20,
                });
                let mut found = 0;
                for piece in stream.as_bytes().chunks(PIECE) {
                    parser.feed(piece);
                    while parser.next_found().is_some() {
                        found += 1;
                    }
                }
                assert!(found > 0);
            });
        });
    }
    group.finish();
}

/// A config with placeholders in its URL and headers, made into what a connection is made from.
fn placeholders(criterion: &mut Criterion) {
    let Value::Object(members) = json!({
        "type": "streamable-http",
        "url": "https://${HOST}/users/{{LIBRECHAT_USER_ID}}/mcp",
        "source": "yaml",
        "headers": {
            "Authorization": "Bearer {{API_KEY}}",
            "X-User": "{{LIBRECHAT_USER_NAME}} <{{LIBRECHAT_USER_EMAIL}}>",
            "X-Team": "${TEAM}",
            "X-Constant": "nothing to fill in",
        },
        "customUserVars": { "API_KEY": { "title": "Key", "description": "" } },
    }) else {
        return;
    };
    let config = ServerConfig::from_members(members).unwrap();
    let environment = Environment::from([("HOST", "tools.example.org"), ("TEAM", "search")]);
    let variables = IndexMap::from([("API_KEY".to_owned(), "key-of-the-user".to_owned())]);
    let mut user = host::user(1);
    user.fields.insert("name".to_owned(), "Ada".to_owned());
    user.fields
        .insert("email".to_owned(), "ada@example.org".to_owned());
    let context = Context {
        user: Some(&user),
        custom_user_vars: Some(&variables),
        ..Context::of_environment(&environment)
    };
    let rules = NetworkRules::default();
    criterion.bench_function("placeholders", |bencher| {
        bencher.iter(|| {
            black_box(resolve(&config, &context).unwrap());
            black_box(fingerprint(&config, &context, &rules, None));
        });
    });
}

/// The result of an answer with 1,000 tools, taken out of it as text: what crosses to JavaScript, where V8 parses it.
fn raw_result(criterion: &mut Criterion) {
    let tool = json!({
        "name": "search",
        "description": "Looks for documents",
        "inputSchema": { "type": "object", "properties": { "query": { "type": "string" } }, "required": ["query"] },
    });
    let answer =
        json!({ "jsonrpc": "2.0", "id": 7, "result": { "tools": vec![tool; 1000] } }).to_string();
    let mut group = criterion.benchmark_group("raw_result");
    group.throughput(Throughput::Bytes(answer.len() as u64));
    group.bench_function("1,000 tools", |bencher| {
        bencher.iter_batched(
            || answer.clone(),
            |answer| {
                let mut result = None;
                message::read(&answer, |message| {
                    if let Ok(Incoming::Answer(answer)) = message
                        && let Outcome::Result(text) = answer.outcome
                    {
                        result = Some(text.to_owned());
                    }
                });
                (answer.len(), result.unwrap())
            },
            criterion::BatchSize::LargeInput,
        );
    });
    group.finish();
}

/// The part of the way to JavaScript that another thread can do: long schemas are set apart, V8 parses the outline.
fn tools_outline(criterion: &mut Criterion) {
    let text = "x".repeat(1900);
    let schema = json!({ "type": "object", "properties": { "text": { "type": "string", "description": text } } });
    let tools: Vec<_> = (0..1000)
        .map(|number| json!({ "name": format!("tool_{number}"), "inputSchema": schema }))
        .map(|tool| serde_json::value::to_raw_value(&tool).unwrap())
        .collect();
    let bytes: usize = tools.iter().map(|tool| tool.get().len()).sum();
    let mut group = criterion.benchmark_group("tools_outline");
    group.throughput(Throughput::Bytes(bytes as u64));
    group.bench_function("1,000 tools", |bencher| {
        bencher.iter(|| {
            let mut outline = RawTools::default();
            for tool in &tools {
                outline.push(tool);
            }
            outline
        });
    });
    group.finish();
}

criterion_group!(
    benches,
    obo_cached,
    events,
    placeholders,
    raw_result,
    tools_outline
);
criterion_main!(benches);
