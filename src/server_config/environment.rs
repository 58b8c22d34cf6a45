//! `${VAR}` in configs (`LibreChat`'s `extractEnvVariable`).

use std::borrow::Cow;
use std::ops::Range;

use super::text::js_trim;
use crate::host::Environment;

/// Secrets of `LibreChat` itself. No config has a reason to send one out, so they are never expanded.
const SENSITIVE: [&str; 8] = [
    "JWT_SECRET",
    "JWT_REFRESH_SECRET",
    "CREDS_KEY",
    "CREDS_IV",
    "MEILI_MASTER_KEY",
    "MONGO_URI",
    "REDIS_URI",
    "REDIS_PASSWORD",
];

/// Trims the template and puts in the values of variables. One that is unset, empty or sensitive stays as it is
/// written.
pub(super) fn expand<'t>(template: &'t str, environment: &Environment) -> Cow<'t, str> {
    let template = js_trim(template);
    let mut result = String::new();
    let mut copied = 0;
    for Reference { range, name } in references(template) {
        let value = environment
            .get(name)
            .filter(|value| !value.is_empty() && !is_sensitive(name));
        if let Some(value) = value {
            result.push_str(&template[copied..range.start]);
            result.push_str(&value);
            copied = range.end;
        }
    }
    if copied == 0 {
        return Cow::Borrowed(template);
    }
    result.push_str(&template[copied..]);
    Cow::Owned(result)
}

/// Names of the variables that [`expand`] would read.
pub(super) fn names(template: &str) -> impl Iterator<Item = &str> {
    references(js_trim(template))
        .into_iter()
        .map(|reference| reference.name)
        .filter(|name| !is_sensitive(name))
}

fn is_sensitive(name: &str) -> bool {
    SENSITIVE.contains(&name)
}

struct Reference<'t> {
    range: Range<usize>,
    name: &'t str,
}

/// `LibreChat` takes a text that starts with `${` and ends with `}` for one single reference, so `${A}-${B}` names a
/// variable `A}-${B` and is not expanded. Its tests fix that, and configs are written around it.
fn references(template: &str) -> Vec<Reference<'_>> {
    let is_line_end = |c| matches!(c, '\n' | '\r' | '\u{2028}' | '\u{2029}');
    let single = template
        .strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'))
        .filter(|name| !name.is_empty() && !name.contains(is_line_end));
    if let Some(name) = single {
        return vec![Reference {
            range: 0..template.len(),
            name,
        }];
    }

    let mut found = Vec::new();
    let mut from = 0;
    while let Some(start) = template[from..].find("${").map(|at| from + at) {
        let name_start = start + 2;
        let Some(length) = template[name_start..].find('}') else {
            break;
        };
        if length == 0 {
            from = name_start;
            continue;
        }
        let name_end = name_start + length;
        found.push(Reference {
            range: start..name_end + 1,
            name: &template[name_start..name_end],
        });
        from = name_end + 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expands_as_librechat() {
        let environment = Environment::from([
            ("A", "alpha"),
            ("B", "${A}"),
            ("EMPTY", ""),
            ("CREDS_KEY", "secret"),
            ("REDIS_URI", "secret"),
        ]);
        for (template, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("  padded  ", "padded"),
            ("${A}", "alpha"),
            ("\t${A}\n", "alpha"),
            ("${ A }", "${ A }"),
            ("x-${A}-y", "x-alpha-y"),
            ("${A}-y ${A}!", "alpha-y alpha!"),
            ("${A} ${A}", "${A} ${A}"),
            ("${A}\n${A}", "alpha\nalpha"),
            ("<${B}>", "<${A}>"),
            ("<${EMPTY}>", "<${EMPTY}>"),
            ("<${UNSET}${A}>", "<${UNSET}alpha>"),
            ("${CREDS_KEY}", "${CREDS_KEY}"),
            ("k=${REDIS_URI}&a=${A}.", "k=${REDIS_URI}&a=alpha."),
            ("$A {A} ${} ${A", "$A {A} ${} ${A"),
            ("é${A}é", "éalphaé"),
        ] {
            assert_eq!(expand(template, &environment), expected, "{template:?}");
        }
    }

    #[test]
    fn names_what_would_be_read() {
        let of = |template| names(template).collect::<Vec<_>>();
        assert_eq!(of(" ${A} "), ["A"]);
        assert_eq!(of("x${A}y${B}z"), ["A", "B"]);
        assert_eq!(of("x${A}y${CREDS_IV}z"), ["A"]);
        assert!(of("${JWT_SECRET}").is_empty());
    }
}
