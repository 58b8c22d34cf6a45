//! `tools: { allow, deny }`: which names of a server's tools there are, and lists of tools without the others.

use serde_json::value::RawValue;

use super::page::Page;
use crate::error::Result;
use crate::server_config::ToolFilter;
use crate::tools::{members, name_among};

/// The longest name that is there, in bytes. MCP has names of 128 characters at most.
const LONGEST_NAME: usize = 1024;

/// Which part of the rule keeps a tool away; `None` for one that is there.
///
/// A server may read a name more generously than it is written, and run `delete` where `delete` with a blank is called. So only
/// a glob of `allow` that has them lets characters through that no plain name has: other than visible ASCII.
#[must_use]
pub fn refusing(filter: &ToolFilter, name: &str) -> Option<&'static str> {
    let is_plain = |character: char| character.is_ascii_graphic();
    if name.is_empty() || name.len() > LONGEST_NAME {
        return Some("tools");
    }
    let denies = |glob: &String| matches(glob, name, |_| true);
    if filter.deny.iter().any(denies) {
        return Some("tools.deny");
    }
    match &filter.allow {
        Some(globs) if globs.iter().any(|glob| matches(glob, name, is_plain)) => None,
        Some(_) => Some("tools.allow"),
        None if name.chars().all(is_plain) => None,
        None => Some("tools.deny"),
    }
}

/// Whether a glob is about the whole name: `*` stands for any number of characters, `?` for one, of those that are `wild`.
/// Only the last `*` is ever tried again, so that this takes no more steps than the product of the lengths. That is enough
/// even where not all characters are wild: those that are not stand in the glob, and so say themselves where they belong.
fn matches(glob: &str, name: &str, wild: fn(char) -> bool) -> bool {
    let (mut glob, mut name) = (glob.chars(), name.chars());
    // What is tried again: the glob behind the last `*`, and the name from where that ended.
    let mut again = None;
    loop {
        let before = (glob.clone(), name.clone());
        match (glob.next(), name.next()) {
            (Some('*'), _) => {
                name = before.1;
                again = Some((glob.clone(), name.clone()));
                continue;
            }
            (Some('?'), Some(character)) if wild(character) => continue,
            (Some(expected), Some(character)) if expected == character => continue,
            (None, None) => return true,
            _ => {}
        }
        let Some((rest, mut from)) = again else {
            return false;
        };
        if !from.next().is_some_and(wild) {
            return false;
        }
        (glob, name) = (rest.clone(), from.clone());
        again = Some((rest, from));
    }
}

/// A page of `tools/list` without the tools that are not there. One whose name cannot be told for certain is not.
///
/// # Errors
/// Those of [`Page::read`].
pub fn kept(page: Box<RawValue>, filter: &ToolFilter) -> Result<Box<RawValue>> {
    let read = Page::read(&page)?;
    let is_kept: Vec<_> = read
        .tools
        .iter()
        .map(|tool| is_kept(tool, filter))
        .collect();
    let kept = read.without_others(&is_kept)?;
    Ok(kept.unwrap_or(page))
}

/// Of two names each reader may take another.
fn is_kept(tool: &RawValue, filter: &ToolFilter) -> bool {
    let Some(members) = members(tool) else {
        return false;
    };
    let names = members.iter().filter(|(name, _)| name == "name").count();
    names == 1 && name_among(&members).is_some_and(|name| refusing(filter, &name).is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    fn filter(allow: Option<&[&str]>, deny: &[&str]) -> ToolFilter {
        let owned = |globs: &[&str]| globs.iter().map(|glob| (*glob).to_owned()).collect();
        ToolFilter {
            allow: allow.map(owned),
            deny: owned(deny),
        }
    }

    #[test]
    fn globs() {
        let is = |glob, name| matches(glob, name, |_| true);
        for (glob, name) in [
            ("a", "a"),
            ("*", ""),
            ("*", "anything"),
            ("**", "a"),
            ("a*", "a"),
            ("a*c", "abc"),
            ("a*c", "abcbc"),
            ("*b*", "abc"),
            ("a?c", "aéc"),
            ("?*", "a"),
            ("*ab*aé", "xabaabaé"),
            ("[a]", "[a]"),
            ("a.c", "a.c"),
            ("\\*", "\\x"),
        ] {
            assert!(is(glob, name), "{glob} {name}");
        }
        for (glob, name) in [
            ("a", "b"),
            ("a", "A"),
            ("a", "ab"),
            ("b", "ab"),
            ("?", ""),
            ("a?", "a"),
            ("a*c", "abcd"),
            ("*ab", "aba"),
            ("[a]", "a"),
            ("a.c", "abc"),
            ("{a,b}", "a"),
            ("!a", "b"),
        ] {
            assert!(!is(glob, name), "{glob} {name}");
        }
        // Without a bound of its own this would not end.
        let glob = "*a".repeat(127) + "b";
        assert!(!is(&glob, &"a".repeat(1000)));
    }

    #[test]
    fn which_tools_there_are() {
        let some = filter(Some(&["issue_*", "get_me"]), &["issue_delete"]);
        assert_eq!(refusing(&some, "issue_get"), None);
        assert_eq!(refusing(&some, "get_me"), None);
        assert_eq!(refusing(&some, "issue_delete"), Some("tools.deny"));
        assert_eq!(refusing(&some, "other"), Some("tools.allow"));
        let others = filter(None, &["delete_*"]);
        assert_eq!(refusing(&others, "get"), None);
        assert_eq!(refusing(&others, "delete_all"), Some("tools.deny"));
        let none = filter(Some(&[]), &[]);
        assert_eq!(refusing(&none, "get"), Some("tools.allow"));
        assert_eq!(refusing(&others, ""), Some("tools"));
        assert_eq!(refusing(&others, &"a".repeat(1025)), Some("tools"));
    }

    #[test]
    fn a_name_that_only_looks_like_another_is_not_there() {
        let all = filter(Some(&["*"]), &["delete"]);
        let others = filter(None, &["delete"]);
        for name in [
            "delete ",
            " delete",
            "delete\u{200b}",
            "d\u{435}lete",
            "delete\0",
            "delete\n",
        ] {
            assert!(
                refusing(&all, name).is_some() && refusing(&others, name).is_some(),
                "{name:?}"
            );
        }
        // Written out it is one.
        let own = filter(Some(&["löschen", "get *", "?ö?"]), &["get all"]);
        for name in ["löschen", "get one", "aöb"] {
            assert_eq!(refusing(&own, name), None, "{name}");
        }
        for name in [
            "lo\u{308}schen",
            "get all",
            "get  one",
            "get\u{a0}one",
            "öaö",
        ] {
            assert!(refusing(&own, name).is_some(), "{name}");
        }
    }

    fn shown(page: &str, filter: &ToolFilter) -> Result<String> {
        let page = RawValue::from_string(page.to_owned()).unwrap();
        let page = kept(page, filter)?;
        Ok(page.get().to_owned())
    }

    #[test]
    fn the_rest_of_a_page_stays_as_it_was() {
        let others = filter(None, &["delete_*"]);
        let page = r#"{ "x":1.0, "tools" : [ {"name":"get", "odd": 1.0} , {"name":"delete_all"},{"name":"put"} ], "nextCursor":"c", "_meta":{ }, "ttlMs":5e1 }"#;
        let expected = r#"{ "x":1.0, "tools" : [{"name":"get", "odd": 1.0},{"name":"put"}], "nextCursor":"c", "_meta":{ }, "ttlMs":5e1 }"#;
        assert_eq!(shown(page, &others).unwrap(), expected);
        let clean = r#"{ "tools": [ {"name":"get"} ] }"#;
        assert_eq!(shown(clean, &others).unwrap(), clean);
        assert_eq!(
            shown(r#"{"tools":[]}"#, &others).unwrap(),
            r#"{"tools":[]}"#
        );
    }

    #[test]
    fn a_name_is_what_v8_reads_or_the_tool_is_not_kept() {
        let others = filter(None, &["delete_*"]);
        for tool in [
            r#"{"name":"\u0064elete_all"}"#,
            r#"{"n\u0061me":"delete_all"}"#,
            r#"{"name":"get","name":"delete_all"}"#,
            r#"{"name":"delete_all","name":"get"}"#,
            r#"{"name":"get","n\u0061me":"get"}"#,
            r#"{"name":"\ud800"}"#,
            r#"{"name":1}"#,
            r#"{"title":"delete_all"}"#,
            r#"["delete_all"]"#,
            "null",
        ] {
            let page = format!(r#"{{"tools":[{{"name":"get"}},{tool}]}}"#);
            assert_eq!(
                shown(&page, &others).unwrap(),
                r#"{"tools":[{"name":"get"}]}"#,
                "{tool}"
            );
        }
    }

    #[test]
    fn a_page_that_cannot_be_read_is_not_shown() {
        let others = filter(None, &["delete_*"]);
        for page in [
            "[]",
            "null",
            "{}",
            r#"{"tools":{"name":"delete_all"}}"#,
            r#"{"tools":null}"#,
            r#"{"tools":[],"tools":[{"name":"delete_all"}]}"#,
            r#"{"tools":[{"name":"delete_all"}],"t\u006fols":[]}"#,
        ] {
            let error = shown(page, &others).unwrap_err();
            assert_eq!(error.code, Code::InvalidResponse, "{page}");
        }
    }
}
