//! `${VAR}` in configs (`LibreChat`'s `extractEnvVariable`).

use std::borrow::Cow;
use std::ops::Range;

use super::text::js_trim;
use crate::environment::Environment;

/// What names of variables begin with that configure `LibreChat`'s own logins, stores and tokens.
const FAMILIES: [&str; 9] = [
    "APPLE_", "CREDS_", "JWT_", "LDAP_", "MEILI_", "MONGO_", "OPENID_", "REDIS_", "SAML_",
];

/// The words that make a variable of a family a secret. `OPENID_ISSUER` is none, nor is `REDIS_HOST`.
const SECRET_WORDS: [&str; 8] = [
    "CREDENTIALS",
    "IV",
    "KEY",
    "PASSWORD",
    "PRIVATE",
    "SECRET",
    "URI",
    "USERNAME",
];

/// Secrets of `LibreChat` whose family has names of operators too.
const SECRETS: [&str; 9] = [
    "AZURE_STORAGE_CONNECTION_STRING",
    "DISCORD_CLIENT_SECRET",
    "EMAIL_PASSWORD",
    "FACEBOOK_CLIENT_SECRET",
    "GITHUB_CLIENT_SECRET",
    "GOOGLE_CLIENT_SECRET",
    "MAILGUN_API_KEY",
    "SESSION_SECRET",
    "TURNSTILE_SECRET_KEY",
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

/// Whether the variable is a secret of `LibreChat` itself. No config has a reason to send one out, so they are never
/// expanded, for nobody. These are more than the reference's eight; keys of model providers are not among them, since
/// operators hand those on. Case does not count, since on Windows it does not tell variables
/// apart, and neither does white space.
fn is_sensitive(name: &str) -> bool {
    let name = js_trim(name).to_ascii_uppercase();
    SECRETS.contains(&name.as_str())
        || FAMILIES.iter().any(|family| {
            name.strip_prefix(family)
                .is_some_and(|rest| rest.split('_').any(|word| SECRET_WORDS.contains(&word)))
        })
}

struct Reference<'t> {
    range: Range<usize>,
    name: &'t str,
}

/// `LibreChat` takes a text that starts with `${` and ends with `}` for one single reference, so `${A}-${B}` names a
/// variable `A}-${B` and is not expanded. Its tests fix that, and configs are written around it.
fn references(template: &str) -> Vec<Reference<'_>> {
    // Most texts have none, which is seen sooner than where one might begin.
    if !template.as_bytes().contains(&b'$') {
        return Vec::new();
    }
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
    fn secrets_of_the_application() {
        for name in [
            "JWT_SECRET",
            "JWT_REFRESH_SECRET",
            "CREDS_KEY",
            "CREDS_IV",
            "MEILI_MASTER_KEY",
            "MONGO_URI",
            "REDIS_URI",
            "REDIS_PASSWORD",
            "OPENID_CLIENT_SECRET",
            "OPENID_SESSION_SECRET",
            "SAML_SESSION_SECRET",
            "LDAP_BIND_CREDENTIALS",
            "APPLE_PRIVATE_KEY_PATH",
            "GITHUB_CLIENT_SECRET",
            "openid_client_secret",
            " Jwt_Secret\t",
        ] {
            let environment = Environment::from([(name, "leaked")]);
            for template in [
                format!("${{{name}}}"),
                format!("x-${{{name}}}-y"),
                format!(" ${{{name}}} "),
            ] {
                assert!(
                    !expand(&template, &environment).contains("leaked"),
                    "{template}"
                );
                assert_eq!(names(&template).next(), None, "{template}");
            }
        }
        for name in [
            "ACME_CLIENT_SECRET",
            "OPENAI_API_KEY",
            "OPENID_ISSUER",
            "OPENID_CLIENT_ID",
            "REDIS_HOST",
            "MY_JWT_SECRET",
            "LDAP_URL",
        ] {
            assert!(!is_sensitive(name), "{name}");
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
