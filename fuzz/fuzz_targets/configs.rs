#![no_main]

use libfuzzer_sys::fuzz_target;
use librechat_mcp_native::embedded::Config;
use librechat_mcp_native::nesting::{MAX_NESTING, parse};
use librechat_mcp_native::server_config::ServerConfig;

fuzz_target!(|text: &str| {
    let Ok(config) = Config::from_yaml("config", text) else {
        return;
    };
    let _ = (config.wrong_rule(), config.variables());
    // A text that is JSON, too, has the same servers for both readers. Only YAML merges.
    if let Ok(document) = parse(text, MAX_NESTING)
        && !text.contains("<<")
        && let Ok(other) = Config::from_value("config", document)
    {
        assert!(config.servers.keys().eq(other.servers.keys()), "{text}");
    }
    for members in config.servers.into_values() {
        let _ = ServerConfig::from_members(members);
    }
});
