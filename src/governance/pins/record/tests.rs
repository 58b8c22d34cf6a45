use super::*;

fn tool(name: &str, description: &str) -> Definition {
    let json = serde_json::json!({ "name": name, "description": description }).to_string();
    Definition::of(serde_json::from_str(&json).unwrap()).unwrap()
}

fn note(record: &mut Record, tools: &[Definition], blocks: bool) -> Vec<String> {
    let mut changes = Vec::new();
    let listed: Vec<_> = tools.iter().collect();
    let (now, sent) = (record.since + 1, SentSecrets::default());
    record.note(&listed, blocks, now, &sent, &mut changes);
    let shown = |it: &Change| format!("{} {} {:?}", it.name, it.kind, it.findings);
    changes.iter().map(shown).collect()
}

fn states(record: &Record) -> Vec<String> {
    let states = record.states();
    let text = |it: &Value, name: &str| it[name].as_str().unwrap_or_default().to_owned();
    let tools = states.as_array().unwrap().iter();
    tools
        .map(|it| format!("{} {}", text(it, "name"), text(it, "state")))
        .collect()
}

#[test]
fn a_server_is_approved_at_first_sight_and_what_changes_is_told_once() {
    let mut record = Record::begun(1);
    assert!(note(&mut record, &[tool("a", "1")], true).is_empty());
    assert!(
        note(&mut record, &[tool("b", "1")], true).is_empty(),
        "another page"
    );
    assert!(record.end_first_sight() && !record.end_first_sight());
    let later = [tool("a", "2"), tool("c", "1")];
    assert_eq!(
        note(&mut record, &later, true),
        ["a changed []", "c new []"]
    );
    assert!(note(&mut record, &later, true).is_empty());
    let mut record = Record::parse(&record.to_text()).unwrap();
    assert!(note(&mut record, &later, true).is_empty());
    assert_eq!(states(&record), ["a changed", "b approved", "c new"]);
    assert!(!record.approved()["a"].contains(&later[0].hash));

    let mut approved = Vec::new();
    let stale = Approval {
        name: "a".to_owned(),
        hash: Some(tool("a", "3").hash),
    };
    assert!(!record.approve(Some(&[stale]), "me", 2, &mut approved));
    assert!(record.approve(None, "me", 2, &mut approved));
    assert_eq!(approved.len(), 2);
    assert_eq!(
        record.approved()["a"].len(),
        2,
        "what was approved stays so"
    );
    assert_eq!(states(&record), ["a approved", "b approved", "c approved"]);

    let names = HashSet::from(["a".to_owned()]);
    let mut removed = Vec::new();
    let among = HashSet::from(["c".to_owned()]);
    assert!(record.note_removed(&names, Some(&among), &mut removed));
    assert_eq!(states(&record), ["a approved", "b approved", "c removed"]);
    assert!(record.note_removed(&names, None, &mut removed));
    assert!(!record.note_removed(&names, None, &mut removed));
    assert!(note(&mut record, &[tool("b", "1")], true).is_empty());
    assert_eq!(states(&record)[1], "b approved");
}

#[test]
fn first_sight_has_an_end_and_approves_no_two_definitions() {
    let mut record = Record::begun(1);
    let twice = [tool("a", "good"), tool("a", "bad")];
    assert_eq!(note(&mut record, &twice, true), ["a changed []"]);
    let late = tool("late", "");
    let mut changes = Vec::new();
    let (now, sent) = (2 + LONGEST_FIRST_SIGHT_MS, SentSecrets::default());
    record.note(&[&late], true, now, &sent, &mut changes);
    assert_eq!(changes.len(), 1);
    assert_eq!(states(&record), ["a changed", "late new"]);
}

#[test]
fn what_a_server_was_sent_is_neither_kept_nor_told() {
    let mut sent = SentSecrets::default();
    sent.add("s3cr3t\"token");
    let mut record = Record::begun(1);
    let mut changes = Vec::new();
    let echo = |text: &str| tool("a", &format!("{text} s3cr3t\"token, <IMPORTANT>"));
    for (text, now) in [("got", 1), ("has", 2)] {
        record.note(&[&echo(text)], false, now, &sent, &mut changes);
        record.end_first_sight();
    }
    let diff = &changes[1].diff[0];
    let sides = [&diff.before, &diff.after].map(|side| side.as_deref().unwrap());
    assert_eq!(
        sides,
        [r#""got ***, <IMPORTANT>""#, r#""has ***, <IMPORTANT>""#]
    );
    assert_eq!(changes[1].hash, echo("has").hash);
    assert_eq!(changes[1].findings, ["orders-to-model"]);
    assert!(!record.to_text().contains("s3cr3t"));
}

#[test]
fn findings_are_not_approved_at_first_sight_where_tools_are_blocked() {
    let hostile = || [tool("a", "<IMPORTANT>")];
    let mut record = Record::begun(1);
    assert_eq!(
        note(&mut record, &hostile(), true),
        [r#"a new ["orders-to-model"]"#]
    );
    assert_eq!(states(&record), ["a new"]);
    let mut record = Record::begun(1);
    assert_eq!(
        note(&mut record, &hostile(), false),
        [r#"a new ["orders-to-model"]"#]
    );
    assert_eq!(states(&record), ["a approved"]);
}

#[test]
fn what_can_be_read_in_two_ways_is_never_approved() {
    let json = r#"{"name":"a","description":"1","description":"2"}"#;
    let twice = Definition::of(serde_json::from_str(json).unwrap()).unwrap();
    let mut record = Record::begun(1);
    note(&mut record, &[twice], false);
    assert_eq!(states(&record), ["a new"]);
    assert!(!record.approve(None, "me", 1, &mut Vec::new()));
}

#[test]
fn a_server_makes_a_record_only_so_long() {
    let mut record = Record::begun(1);
    record.end_first_sight();
    let long = "x".repeat(LONGEST_TEXT - 100);
    for round in 0..3 {
        let description = |number| if number % 20 == 0 { &*long } else { "" };
        let tools: Vec<_> = (0..MOST_NEW_TOOLS)
            .map(|number| tool(&format!("{round}-{number}"), description(number)))
            .collect();
        note(&mut record, &tools, true);
    }
    assert_eq!(record.tools.len(), MOST_NEW_TOOLS);
    for number in 0..20 {
        note(&mut record, &[tool("a", &number.to_string())], true);
    }
    assert_eq!(record.tools["a"].pending.len(), MOST_PENDING);
    assert_eq!(record.tools["a"].pending[3].hash, tool("a", "19").hash);
    let text = record.to_text();
    assert!(text.len() < 2 * LONGEST_TEXTS, "{}", text.len());
    assert!(Record::parse(&text).is_some());
}

#[test]
fn damaged_records_are_none() {
    for text in [
        "",
        "{}",
        "[]",
        r#"{"v":2,"since":1,"firstSight":false,"tools":{}}"#,
        r#"{"v":1,"since":1,"firstSight":false,"tools":[]}"#,
        r#"{"v":1,"since":1,"firstSight":false,"tools":{"a":{"approved":[{}],"pending":[],"removed":false}}}"#,
    ] {
        assert!(Record::parse(text).is_none(), "{text}");
    }
    let empty = r#"{"v":1,"since":1,"firstSight":false,"tools":{}}"#;
    assert_eq!(Record::parse(empty).unwrap().to_text(), empty);
}

#[test]
fn many_definitions_of_one_tool_are_told_once_each_and_not_without_end() {
    let mut record = Record::begun(1);
    let list = |number: usize| -> Vec<_> {
        let all = 0..number;
        all.map(|it| tool("a", &it.to_string())).collect()
    };
    assert_eq!(note(&mut record, &list(8), true).len(), 7);
    let text = record.to_text();
    let mut record = Record::parse(&text).unwrap();
    assert!(note(&mut record, &list(8), true).is_empty());
    assert_eq!(record.to_text(), text, "nothing to write");
    // It waits again, so that it can be approved, where it is what the server has.
    assert!(note(&mut record, &[tool("a", "1")], true).is_empty());
    assert_eq!(record.tools["a"].pending[3].hash, tool("a", "1").hash);

    let told = note(&mut record, &list(1000), true);
    assert_eq!(told.len(), MOST_TOLD - 7);
    assert_eq!(told.last().unwrap(), r#"a changed ["many-definitions"]"#);
    let text = record.to_text();
    assert!(note(&mut record, &list(1000), true).is_empty());
    assert_eq!(record.to_text(), text);
    let newest = || [tool("a", "newest")];
    assert!(note(&mut record, &newest(), true).is_empty());
    let mut approved = Vec::new();
    assert!(record.approve(None, "me", 2, &mut approved));
    assert_eq!(approved[0].hash, newest()[0].hash);
    assert_eq!(note(&mut record, &list(3), true).len(), 2);
}

#[test]
fn states_show_what_is_approved() {
    let mut record = Record::begun(1);
    record.end_first_sight();
    let long = "x".repeat(LONGEST_TEXT);
    note(&mut record, &[tool("a", "evil"), tool("b", &long)], true);
    let states = record.states();
    let description = &states[0]["diff"][0];
    assert_eq!(description["path"], "/description");
    assert_eq!(description["before"], Value::Null);
    assert_eq!(description["after"], "\"evil\"");
    assert_eq!(states[0].get("diffIsPartial"), None);
    assert_eq!(states[1]["diffIsPartial"], true);
}
