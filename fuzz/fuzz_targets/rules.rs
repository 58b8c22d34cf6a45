#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use librechat_mcp_native::governance::refusing;
use librechat_mcp_native::nesting::{MAX_NESTING, parse};
use librechat_mcp_native::server_config::{Rate, ServerConfig, ToolFilter, ToolRules};
use serde_json::{Map, Value, json};

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    config: &'a str,
    rate: &'a str,
    allow: Option<Vec<String>>,
    deny: Vec<String>,
    name: &'a str,
}

/// Whether a glob is about a name: for each part of the glob, which parts of the name it is about.
fn matches(glob: &str, name: &str, wild: fn(&char) -> bool) -> bool {
    let name: Vec<_> = name.chars().collect();
    let mut begun = vec![false; name.len() + 1];
    begun[0] = true;
    for part in glob.chars() {
        let before = begun.clone();
        begun[0] = part == '*' && before[0];
        for (at, character) in name.iter().enumerate() {
            begun[at + 1] = match part {
                '*' => before[at + 1] || (begun[at] && wild(character)),
                '?' => before[at] && (wild(character) || *character == '?'),
                other => before[at] && *character == other,
            };
        }
    }
    begun[name.len()]
}

fn expected(filter: &ToolFilter, name: &str) -> bool {
    let is_plain = |character: &char| character.is_ascii_graphic();
    let allowed = match &filter.allow {
        Some(globs) => globs.iter().any(|glob| matches(glob, name, is_plain)),
        None => name.chars().all(|character| is_plain(&character)),
    };
    let denied = filter.deny.iter().any(|glob| matches(glob, name, |_| true));
    (1..=1024).contains(&name.len()) && allowed && !denied
}

fn read(members: &Map<String, Value>) {
    let fault = ToolRules::fault_of(members);
    let rules = ToolRules::of_settings(members);
    assert_eq!(rules.is_err(), fault.is_some());
    let _ = ServerConfig::from_members(members.clone());
}

/// Whoever reads the rate knows what it is: it is digits and one letter.
fn read_rate(text: &str) {
    let Value::Object(members) = json!({ "limits": { "perUser": text } }) else {
        return;
    };
    let Ok(Some(rules)) = ToolRules::of_settings(&members) else {
        return;
    };
    let limits = rules.limits.as_ref().expect("limits");
    let Rate { calls, per } = limits.per_user.expect("a rate");
    let unit = match per.as_secs() {
        1 => "s",
        60 => "m",
        3600 => "h",
        86400 => "d",
        other => panic!("{other} s"),
    };
    assert!(calls > 0);
    assert_eq!(text.trim_start_matches('0'), format!("{calls}/{unit}"));
}

fuzz_target!(|input: Input<'_>| {
    if let Ok(Value::Object(members)) = parse(input.config, MAX_NESTING) {
        read(&members);
    }
    read_rate(input.rate);
    let filter = ToolFilter {
        allow: input.allow,
        deny: input.deny,
    };
    let is_there = refusing(&filter, input.name).is_none();
    assert_eq!(is_there, expected(&filter, input.name), "{filter:?}");
});
