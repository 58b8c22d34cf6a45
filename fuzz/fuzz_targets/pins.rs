#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use librechat_mcp_native::governance::{MemoryPins, PinScope, approve, tool_pins};
use librechat_mcp_native::host::ToolPins;
use serde_json::Value;
use tokio::runtime::Builder;

/// Where the record of the server is that is asked for below.
const KEY: &str = r#"["","srv",""]"#;

async fn pins(record: &str) {
    let store = Arc::new(MemoryPins::default());
    let is_set = store.compare_and_set(KEY, None, record).await;
    assert!(is_set.expect("a store"));
    let scope = PinScope {
        store,
        tenancy: None,
        audit: None,
    };
    let Ok(before) = tool_pins(&scope, "srv", None).await else {
        return;
    };
    serde_json::from_str::<Value>(record).expect("whatever is no record is an error");
    approve(&scope, "srv", None, None, "somebody")
        .await
        .expect("approved");
    let after = tool_pins(&scope, "srv", None).await.expect("a record");
    let [before, after] = [before, after].map(|pins| serde_json::from_str(&pins).expect("JSON"));
    let (Value::Array(before), Value::Array(after)) = (before, after) else {
        panic!("a list of tools");
    };
    // Nothing is forgotten by that, and there is nothing left to approve.
    assert_eq!(before.len(), after.len());
    let again = approve(&scope, "srv", None, None, "somebody").await;
    assert!(again.expect("approved").is_empty());
}

fuzz_target!(|record: &str| {
    let runtime = Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime").block_on(pins(record));
});
