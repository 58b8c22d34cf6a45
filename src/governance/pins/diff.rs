//! What is different between two definitions of a tool.

use serde_json::Value;

use crate::nesting::{MAX_NESTING, parse};

/// As many as anybody reads.
const MOST: usize = 50;
/// What is told of two texts before they differ, in bytes.
const ALIKE: usize = 40;

/// One place, by its JSON Pointer (RFC 6901), and the JSON that was and is there. Texts that begin alike begin with `…`,
/// shortly before they differ.
pub struct Difference {
    pub path: String,
    pub before: Option<String>,
    pub after: Option<String>,
}

/// Descriptions come first: what a model reads is not to be crowded out.
#[derive(Default)]
pub struct Diff {
    pub found: Vec<Difference>,
    /// Something differs that is not told, or is not kept.
    pub is_partial: bool,
}

/// In canonical form both. What was there before is nothing where it is not kept.
pub fn diff(before: &str, after: &str) -> Diff {
    let read = |text: &str| parse::<Value>(text, MAX_NESTING + 1).ok();
    let mut all = Diff {
        found: Vec::new(),
        is_partial: before.is_empty() || after.is_empty(),
    };
    let nothing = || Value::Object(serde_json::Map::new());
    let before = read(before).unwrap_or_else(nothing);
    if let Some(after) = read(after) {
        for rank in 0..=LAST_RANK {
            compare(
                Some(&before),
                Some(&after),
                &mut String::new(),
                rank,
                &mut all,
            );
        }
    }
    // What is left out of texts may be all that differs.
    all.is_partial |= all.found.is_empty();
    all
}

const LAST_RANK: usize = 2;

fn rank_of(path: &str) -> usize {
    match path {
        "/description" => 0,
        _ if path.ends_with("/description") => 1,
        _ => LAST_RANK,
    }
}

/// Finds the differences of one rank.
fn compare(
    before: Option<&Value>,
    after: Option<&Value>,
    path: &mut String,
    rank: usize,
    all: &mut Diff,
) {
    if before == after || all.is_partial && all.found.len() == MOST {
        return;
    }
    let length = path.len();
    match (before, after) {
        (Some(Value::Object(one)), Some(Value::Object(other))) => {
            let added = other.keys().filter(|name| !one.contains_key(*name));
            for name in one.keys().chain(added) {
                path.push('/');
                path.push_str(&name.replace('~', "~0").replace('/', "~1"));
                compare(one.get(name), other.get(name), path, rank, all);
                path.truncate(length);
            }
        }
        (Some(Value::Array(one)), Some(Value::Array(other))) => {
            for index in 0..one.len().max(other.len()) {
                path.push('/');
                path.push_str(&index.to_string());
                compare(one.get(index), other.get(index), path, rank, all);
                path.truncate(length);
            }
        }
        _ if rank_of(path) != rank => {}
        _ if all.found.len() == MOST => all.is_partial = true,
        _ => {
            let mut found = Difference {
                path: path.clone(),
                before: before.map(Value::to_string),
                after: after.map(Value::to_string),
            };
            if let (Some(Value::String(_)), Some(Value::String(_))) = (before, after) {
                found.leave_out_start();
            }
            all.found.push(found);
        }
    }
}

impl Difference {
    fn leave_out_start(&mut self) {
        let (Some(before), Some(after)) = (&mut self.before, &mut self.after) else {
            return;
        };
        let pairs = before.bytes().zip(after.bytes());
        let alike = pairs.take_while(|(one, other)| one == other).count();
        let from = before.floor_char_boundary(alike.saturating_sub(ALIKE));
        if from > 0 {
            before.replace_range(..from, "…");
            after.replace_range(..from, "…");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_with_what_was_and_is_there() {
        let found = diff(
            r#"{"a":"x","b":{"c/d":[1,2]},"gone":true}"#,
            r#"{"a":"y","b":{"c/d":[1,3,4]},"new":{}}"#,
        );
        assert!(!found.is_partial);
        let shown: Vec<_> = found
            .found
            .iter()
            .map(|it| {
                let text = |side: &Option<String>| side.clone().unwrap_or_else(|| "-".to_owned());
                format!("{} {} {}", it.path, text(&it.before), text(&it.after))
            })
            .collect();
        assert_eq!(
            shown,
            [
                r#"/a "x" "y""#,
                "/b/c~1d/1 2 3",
                "/b/c~1d/2 - 4",
                "/gone true -",
                "/new - {}"
            ]
        );
    }

    #[test]
    fn nothing_hides_what_differs() {
        let text = |end: &str| format!(r#"{{"a":"{}{end}"}}"#, "ü".repeat(5000));
        let found = diff(&text("good"), &text("evil")).found;
        let shown = format!("…{}evil\"", "ü".repeat(ALIKE / 2));
        assert_eq!(found[0].after.as_ref(), Some(&shown));

        let crowd = |number: usize, description: &str| {
            let many = vec![format!(r#"{{"description":{number}}}"#); MOST].join(",");
            format!(r#"{{"annotations":[{many}],"description":"{description}"}}"#)
        };
        let all = diff(&crowd(1, "good"), &crowd(2, "evil"));
        assert!(all.is_partial);
        assert_eq!(all.found.len(), MOST);
        assert_eq!(all.found[0].path, "/description");

        let new = diff("{}", r#"{"description":"evil"}"#);
        assert!(!new.is_partial);
        assert_eq!(new.found[0].after.as_deref(), Some("\"evil\""));
        let unknown = diff("", r#"{"description":"evil"}"#);
        assert!(unknown.is_partial);
        assert_eq!(unknown.found.len(), 1);
        assert!(diff("{}", "").is_partial);
    }
}
