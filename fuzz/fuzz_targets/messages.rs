#![no_main]

use libfuzzer_sys::fuzz_target;
use librechat_mcp_native::transport::fuzzing::results;
use serde_json::Value;

fuzz_target!(|text: &str| {
    let results = results(text);
    if results.is_empty() {
        return;
    }
    let sent: Value = serde_json::from_str(text).expect("an answer is JSON");
    let sent = match sent {
        Value::Array(messages) => messages,
        message => vec![message],
    };
    for result in results {
        let result: Value = serde_json::from_str(&result).expect("a result is JSON");
        let is_sent = sent.iter().any(|message| message["result"] == result);
        assert!(is_sent, "results are what was sent");
    }
});
