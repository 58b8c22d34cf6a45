#![no_main]

use libfuzzer_sys::fuzz_target;
use librechat_mcp_native::transport::fuzzing::tapped;
use serde_json::Value;

fuzz_target!(|text: &str| {
    let (rest, is_message, result) = tapped(text);
    match result {
        Some(result) => {
            assert!(is_message, "what is left of an answer is one: {rest}");
            let sent: Value = serde_json::from_str(text).expect("an answer is JSON");
            let result: Value = serde_json::from_str(&result).expect("a result is JSON");
            assert_eq!(sent["result"], result);
        }
        None => assert_eq!(rest, text, "what is no answer passes untouched"),
    }
});
