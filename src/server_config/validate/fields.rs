//! The members of a config, transport aside.

use icu_properties::CodePointMapData;
use icu_properties::props::{GeneralCategory, GeneralCategoryGroup as Group};
use serde_json::{Map, Value};
use url::Url;

use super::super::extensions::check_extensions;
use super::super::grant::{GRANT_MEMBERS, check_server};
use super::super::header::is_transports_own;
use super::super::rules::ToolRules;
use super::super::tls::TLS_MEMBERS;
use super::author::Author;
use super::report::{PathPart, Report};

type Members = Map<String, Value>;

const TITLE: &str =
    "Title must start with a letter or number and can include spaces, hyphens, and apostrophes";

/// Members that anybody may set.
pub(super) fn base(report: &mut Report<'_>, members: &Members, author: Author) {
    report.member(members, "title", title);
    report.member(members, "description", Report::is_text);
    report.member(members, "iconPath", Report::is_text);
    report.member(members, "apiKey", |report, value| {
        report.object(value, |report, members| {
            report.member(members, "key", Report::is_text);
            report.required(members, "source", |report, value| {
                report.one_of(value, &["admin", "user"]);
            });
            report.required(members, "authorization_type", |report, value| {
                report.one_of(value, &["basic", "bearer", "custom"]);
            });
            report.member(members, "custom_header", |report, value| {
                if let Some(name) = report.text(value) {
                    header_name(report, name, author);
                }
            });
        });
    });
}

/// Members that only an administrator may set. In a user's config the schemas drop them without a word.
pub(super) fn server_managed(report: &mut Report<'_>, members: &Members) {
    for name in [
        "startup",
        "shared",
        "elicitation",
        "oauthRefreshCoordination",
        "chatMenu",
        "requiresOAuth",
    ] {
        report.member(members, name, Report::is_flag);
    }
    for (name, least) in [
        ("timeout", 0.0),
        ("sseReadTimeout", 1.0),
        ("initTimeout", 0.0),
        ("oauthRefreshWaitTimeout", 1.0),
    ] {
        report.member(members, name, |report, value| report.whole(value, least));
    }
    report.member(members, "oauthPersistenceWaitTimeout", |report, value| {
        const MOST: f64 = 840_000.0;
        report.whole(value, 1.0);
        if value.as_f64().is_some_and(|number| number > MOST) {
            report.issue(format!("Number must be less than or equal to {MOST}"));
        }
    });
    report.member(members, "serverInstructions", |report, value| {
        if !value.is_boolean() && !value.is_string() {
            report.issue("Invalid input");
        }
    });
    for name in ToolRules::MEMBERS {
        report.member(members, name, |report, value| {
            tool_rule(report, name, value);
        });
    }
    report.member(members, "extensions", extensions);
    report.member(members, "oauth", oauth_of_administrator);
    grant(report, members);
    report.member(members, "oauth_headers", Report::texts);
    report.member(members, "customUserVars", |report, value| {
        report.record(value, |report, variable| {
            report.object(variable, |report, members| {
                report.required(members, "title", Report::is_text);
                report.required(members, "description", Report::is_text);
                report.member(members, "sensitive", Report::is_flag);
            });
        });
    });
}

/// Ours, as `shared`, `elicitation` and `tls` are: the published schemas drop the four.
fn extensions(report: &mut Report<'_>, value: &Value) {
    report.record(value, |_, _| {});
    let wrong = value.as_object().map(check_extensions);
    if let Some(Err((name, expected))) = wrong {
        report.at(PathPart::Member(name.to_owned()), |report| {
            report.issue(format!("An extension {expected}"));
        });
    }
}

/// Ours as well: how a token is asked for without a user's login.
fn grant(report: &mut Report<'_>, members: &Members) {
    if let Err(problem) = check_server(members) {
        report.at_path(&problem.path, |report| {
            report.issue(format!("This {}", problem.message));
        });
    }
}

/// Ours, and an operator's.
fn tool_rule(report: &mut Report<'_>, name: &str, value: &Value) {
    if let Err(problem) = ToolRules::check(name, value) {
        report.at_path(&problem.path[1..], |report| {
            report.issue(format!("This {}", problem.message));
        });
    }
}

/// Ours, too.
pub(super) fn tls(report: &mut Report<'_>, value: &Value) {
    report.object(value, |report, members| {
        for name in TLS_MEMBERS {
            report.member(members, name, Report::non_empty_text);
        }
        let unknown = |name: &&String| !TLS_MEMBERS.contains(&name.as_str());
        for name in members.keys().filter(unknown) {
            report.member(members, name, Report::never);
        }
        for (name, other) in [("cert", "key"), ("key", "cert")] {
            if members.contains_key(name) {
                report.required(members, other, Report::non_empty_text);
            }
        }
    });
}

pub(super) fn headers(report: &mut Report<'_>, members: &Members, author: Author) {
    for name in ["headers", "requestHeaders"] {
        report.member(members, name, |report, value| {
            report.texts(value);
            for name in value.as_object().into_iter().flat_map(Map::keys) {
                report.at(PathPart::Member(name.clone()), |report| {
                    header_name(report, name, author);
                });
            }
        });
    }
}

fn header_name(report: &mut Report<'_>, name: &str, author: Author) {
    if author == Author::User && is_transports_own(name) {
        report.issue("The transport sets this header itself; it cannot be configured");
    }
}

/// Members of a command.
pub(super) fn stdio(report: &mut Report<'_>, members: &Members) {
    report.required(members, "command", Report::is_text);
    report.required(members, "args", Report::list);
    report.member(members, "env", |report, value| {
        report.record(value, |report, value| {
            if let Some(text) = report.text(value) {
                report.expanded(text);
            }
        });
    });
    report.member(members, "stderr", |report, value| match value {
        Value::Number(_) => report.whole(value, 0.0),
        _ if matches!(value.as_str(), Some("pipe" | "ignore" | "inherit")) => {}
        _ => report.issue("Invalid input"),
    });
    report.member(members, "cwd", Report::is_text);
}

fn oauth_of_administrator(report: &mut Report<'_>, value: &Value) {
    report.object(value, |report, members| {
        let endpoint = |report: &mut Report<'_>, value: &Value| {
            if let Some(text) = report.text(value) {
                report.admin_url(text);
            }
        };
        for name in [
            "authorization_url",
            "token_url",
            "redirect_uri",
            "revocation_endpoint",
        ] {
            report.member(members, name, endpoint);
        }
        report.member(members, "audience", Report::non_empty_text);
        report.member(members, "forward_audience_on_refresh", Report::is_flag);
        report.member(members, "send_resource_parameter", Report::is_flag);
        for name in GRANT_MEMBERS {
            // Judged together, by `grant`.
            report.member(members, name, |_, _| {});
        }
        oauth(report, members);
    });
}

/// What a user may set up: not what a token of theirs is good for, and not with the server's environment.
pub(super) fn oauth_of_user(report: &mut Report<'_>, value: &Value) {
    report.object(value, |report, members| {
        for name in [
            "authorization_url",
            "token_url",
            "redirect_uri",
            "revocation_endpoint",
        ] {
            report.member(members, name, |report, value| {
                let url = report.text(value).and_then(|text| report.user_url(text));
                if url.is_some_and(|url| names_an_audience(&url)) {
                    report.issue(
                        "OAuth endpoint URLs cannot include audience or resource query parameters",
                    );
                }
            });
        }
        for name in [
            "audience",
            "forward_audience_on_refresh",
            "send_resource_parameter",
        ]
        .into_iter()
        .chain(GRANT_MEMBERS)
        {
            report.member(members, name, Report::never);
        }
        oauth(report, members);
    });
}

fn names_an_audience(url: &Url) -> bool {
    url.query_pairs()
        .any(|(name, _)| matches!(&*name, "audience" | "resource"))
}

fn oauth(report: &mut Report<'_>, members: &Members) {
    for name in ["client_id", "client_secret", "scope"] {
        report.member(members, name, Report::is_text);
    }
    report.member(members, "token_exchange_method", |report, value| {
        report.one_of(value, &["default_post", "basic_auth_header"]);
    });
    for name in [
        "grant_types_supported",
        "token_endpoint_auth_methods_supported",
        "response_types_supported",
        "code_challenge_methods_supported",
        "revocation_endpoint_auth_methods_supported",
    ] {
        report.member(members, name, Report::list);
    }
    report.member(members, "skip_code_challenge_check", Report::is_flag);

    let filled = |name: &str| {
        let text = members.get(name).and_then(Value::as_str);
        text.is_some_and(|text| !text.is_empty())
    };
    // A grant is judged by itself, also one that is misspelt.
    let has_grant = members.get("grant").is_some_and(|grant| !grant.is_null());
    if has_grant || !filled("client_secret") {
        return;
    }
    report.member(members, "client_secret", |report, _| {
        if !filled("client_id") {
            report.issue("OAuth client_secret requires client_id");
        } else if !filled("authorization_url") || !filled("token_url") {
            report.issue(
                "OAuth client_secret with client_id requires both authorization_url and token_url",
            );
        }
    });
}

/// `/^[\p{L}\p{N}][\p{L}\p{N}\p{M}'’ -]*$/u`
fn title(report: &mut Report<'_>, value: &Value) {
    let Some(text) = report.text(value) else {
        return;
    };
    let categories = CodePointMapData::<GeneralCategory>::new();
    let is = |c: char, group: Group| group.contains(categories.get(c));
    let word = Group::Letter.union(Group::Number);
    let mut characters = text.chars();
    let starts = characters.next().is_some_and(|first| is(first, word));
    let goes_on = |c| matches!(c, '\'' | '’' | ' ' | '-') || is(c, word.union(Group::Mark));
    if !starts || !characters.all(goes_on) {
        report.issue(TITLE);
    }
}
