//! Environment variables and `{{PLACEHOLDERS}}` in the texts of a config.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::ops::Range;

use indexmap::IndexMap;

use super::environment;
use super::header::encode_above_latin_1;
use super::openid::OpenIdTokenInfo;
use crate::host::{Environment, User};
use crate::secret::Secret;

pub(super) const USER_PREFIX: &str = "LIBRECHAT_USER_";
pub(super) const OPENID_PREFIX: &str = "LIBRECHAT_OPENID_";
pub(super) const BODY_PREFIX: &str = "LIBRECHAT_BODY_";
pub(super) const GRAPH_PREFIX: &str = "LIBRECHAT_GRAPH_";
pub(super) const GRAPH_TOKEN: &str = "LIBRECHAT_GRAPH_ACCESS_TOKEN";

/// Fields of a user that `{{LIBRECHAT_USER_<FIELD>}}` may name; none is a secret.
pub const USER_FIELDS: &[&str] = &[
    "id",
    "name",
    "username",
    "email",
    "provider",
    "role",
    "googleId",
    "facebookId",
    "openidId",
    "samlId",
    "ldapId",
    "githubId",
    "discordId",
    "appleId",
    "emailVerified",
    "twoFactorEnabled",
    "termsAccepted",
];

/// Fields of a chat request that `{{LIBRECHAT_BODY_<FIELD>}}` may name.
pub(super) const BODY_FIELDS: [&str; 3] = ["conversationId", "parentMessageId", "messageId"];

/// Fields that people fill in freely, so that in a header they may need encoding.
const FREE_TEXT_FIELDS: [&str; 3] = ["name", "username", "email"];

/// What one call puts into a config.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub user: Option<&'a User>,
    pub custom_user_vars: Option<&'a IndexMap<String, String>>,
    /// Fields of the chat request, where there is one.
    pub body: Option<&'a IndexMap<String, String>>,
    pub graph_token: Option<&'a Secret>,
    pub environment: &'a Environment,
}

impl<'a> Context<'a> {
    /// A context of nothing but the environment: an app-level connection.
    #[must_use]
    pub const fn of_environment(environment: &'a Environment) -> Self {
        Self {
            user: None,
            custom_user_vars: None,
            body: None,
            graph_token: None,
            environment,
        }
    }
}

/// How far placeholders are filled in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// For a connection or a call. Without a chat request its placeholders become empty.
    Call,
    /// As `LibreChat`'s `processMCPEnv`, which leaves them without a chat request.
    Reference,
    /// Only what stays the same between two calls of a user: no tokens, no chat request.
    Lasting,
}

/// Where a text goes to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Header,
    /// The URL and the environment of a child process may carry the Graph token too.
    UrlOrEnv,
    Other,
}

/// Expands the texts of one config.
pub(super) struct Expander<'a> {
    context: Context<'a>,
    /// A user made the config: it sees that user's variables, and nothing of the server's environment or of other
    /// people.
    sandboxed: bool,
    depth: Depth,
    openid: OnceCell<Option<OpenIdTokenInfo>>,
}

impl<'a> Expander<'a> {
    pub(super) const fn new(context: &Context<'a>, sandboxed: bool, depth: Depth) -> Self {
        Self {
            context: *context,
            sandboxed,
            depth,
            openid: OnceCell::new(),
        }
    }

    /// Expands environment variables alone, for members that only an administrator decides about.
    pub(super) fn admin_text(&self, template: &str) -> String {
        if self.sandboxed {
            template.to_owned()
        } else {
            environment::expand(template, self.context.environment).into_owned()
        }
    }

    /// Expands environment variables, then placeholders. Placeholders are looked for in the template only, once, so
    /// that what users write is never expanded itself.
    pub(super) fn text(&self, template: &str, place: Place) -> String {
        let template = if self.sandboxed {
            Cow::Borrowed(template)
        } else {
            environment::expand(template, self.context.environment)
        };
        let mut result = String::with_capacity(template.len());
        let mut copied = 0;
        for Placeholder { range, name } in scan(&template) {
            if let Some(value) = self.value(name, place) {
                result.push_str(&template[copied..range.start]);
                result.push_str(&value);
                copied = range.end;
            }
        }
        result.push_str(&template[copied..]);
        result
    }

    fn value(&self, name: &str, place: Place) -> Option<Cow<'_, str>> {
        if let Some(value) = self
            .context
            .custom_user_vars
            .and_then(|variables| variables.get(name))
        {
            return Some(Cow::Borrowed(value));
        }
        if self.sandboxed {
            return None;
        }
        if let Some(field) = name.strip_prefix(USER_PREFIX) {
            return self.user_field(field, place);
        }
        if self.depth == Depth::Lasting {
            return None;
        }
        if let Some(name) = name.strip_prefix(OPENID_PREFIX) {
            return self.openid()?.placeholder(name).map(Cow::Owned);
        }
        if let Some(field) = name.strip_prefix(BODY_PREFIX) {
            return self.body_field(field);
        }
        if name == GRAPH_TOKEN && place != Place::Other {
            let token = self.context.graph_token?;
            return Some(Cow::Borrowed(token.expose().as_str()));
        }
        None
    }

    fn user_field(&self, upper: &str, place: Place) -> Option<Cow<'_, str>> {
        let user = self.context.user?;
        let field = *field_of(USER_FIELDS, upper)?;
        if field == "id" {
            let id = user.id.as_ref().or_else(|| user.fields.get(field))?;
            return (!id.is_empty()).then_some(Cow::Borrowed(id.as_str()));
        }
        let value = user.fields.get(field)?;
        if place == Place::Header && FREE_TEXT_FIELDS.contains(&field) {
            Some(Cow::Owned(encode_above_latin_1(value)))
        } else {
            Some(Cow::Borrowed(value))
        }
    }

    fn openid(&self) -> Option<&OpenIdTokenInfo> {
        self.openid
            .get_or_init(|| {
                self.context
                    .user
                    .and_then(OpenIdTokenInfo::of)
                    .filter(OpenIdTokenInfo::is_valid)
            })
            .as_ref()
    }

    fn body_field(&self, upper: &str) -> Option<Cow<'_, str>> {
        let field = *field_of(&BODY_FIELDS, upper)?;
        match self.context.body {
            Some(body) => Some(Cow::Borrowed(body.get(field).map_or("", String::as_str))),
            None if self.depth == Depth::Call => Some(Cow::Borrowed("")),
            None => None,
        }
    }
}

/// The field whose name in capitals is `upper`.
pub(super) fn field_of<'f>(fields: &'f [&'static str], upper: &str) -> Option<&'f &'static str> {
    fields.iter().find(|field| {
        field
            .chars()
            .map(|c| c.to_ascii_uppercase())
            .eq(upper.chars())
    })
}

struct Placeholder<'t> {
    /// Braces included.
    range: Range<usize>,
    name: &'t str,
}

/// Every `{{NAME}}`, from the innermost opening braces on, in time linear in the template: users write templates too.
fn scan(template: &str) -> impl Iterator<Item = Placeholder<'_>> {
    let mut from = 0;
    template.match_indices("}}").filter_map(move |(close, _)| {
        let since = std::mem::replace(&mut from, close + 2);
        let name_start = since + template[since..close].rfind("{{")? + 2;
        Some(Placeholder {
            range: name_start - 2..close + 2,
            name: &template[name_start..close],
        })
    })
}

/// Names of the placeholders in a template. Not all of them mean something.
pub(super) fn placeholders(template: &str) -> impl Iterator<Item = &str> {
    scan(template).map(|placeholder| placeholder.name)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{texts, user};
    use super::*;
    use crate::host::OpenIdTokens;

    const FAR_FUTURE: i64 = 4_102_444_800;

    fn openid_user(expires_at: i64) -> User {
        let mut user = user("u1", [("provider", "openid"), ("email", "a@b")]);
        user.federated_tokens = Some(OpenIdTokens {
            access_token: Some(Secret::from("acc$&ess")),
            id_token: None,
            expires_at: Some(expires_at),
        });
        user
    }

    #[test]
    fn user_fields() {
        let environment = Environment::default();
        let user = user(
            "u1",
            [
                ("name", "Ψ José"),
                ("email", "jos\u{e9}@x"),
                ("role", "Ψ"),
                ("openidId", "sub"),
                ("emailVerified", "true"),
                ("ldapId", ""),
                ("password", "s3cret"),
            ],
        );
        let context = Context {
            user: Some(&user),
            ..Context::of_environment(&environment)
        };
        let expander = Expander::new(&context, false, Depth::Call);
        for (template, header, other) in [
            ("{{LIBRECHAT_USER_ID}}", "u1", "u1"),
            ("{{LIBRECHAT_USER_NAME}}", "b64:zqggSm9zw6k=", "Ψ José"),
            ("{{LIBRECHAT_USER_EMAIL}}", "josé@x", "josé@x"),
            ("{{LIBRECHAT_USER_ROLE}}", "Ψ", "Ψ"),
            ("<{{LIBRECHAT_USER_OPENIDID}}>", "<sub>", "<sub>"),
            ("{{LIBRECHAT_USER_EMAILVERIFIED}}", "true", "true"),
            ("{{LIBRECHAT_USER_LDAPID}}", "", ""),
        ] {
            assert_eq!(expander.text(template, Place::Header), header, "{template}");
            assert_eq!(expander.text(template, Place::Other), other, "{template}");
        }
        for literal in [
            "{{LIBRECHAT_USER_SAMLID}}",
            "{{LIBRECHAT_USER_PASSWORD}}",
            "{{LIBRECHAT_USER_openidId}}",
            "{{LIBRECHAT_USER_}}",
            "{{ LIBRECHAT_USER_ID }}",
        ] {
            assert_eq!(expander.text(literal, Place::Header), literal);
        }
    }

    #[test]
    fn without_a_user_or_an_id() {
        let environment = Environment::default();
        let nobody = Expander::new(&Context::of_environment(&environment), false, Depth::Call);
        let literal = "{{LIBRECHAT_USER_ID}}{{LIBRECHAT_OPENID_TOKEN}}";
        assert_eq!(nobody.text(literal, Place::Header), literal);

        let anonymous = user("", []);
        let context = Context {
            user: Some(&anonymous),
            ..Context::of_environment(&environment)
        };
        let expander = Expander::new(&context, false, Depth::Call);
        assert_eq!(expander.text(literal, Place::Header), literal);
    }

    #[test]
    fn openid_tokens() {
        let environment = Environment::default();
        for (expires_at, expected) in [
            (
                FAR_FUTURE,
                "Bearer acc$&ess a@b 4102444800 {{LIBRECHAT_OPENID_NONE}}",
            ),
            (
                1,
                "Bearer {{LIBRECHAT_OPENID_ACCESS_TOKEN}} {{LIBRECHAT_OPENID_USER_EMAIL}} {{LIBRECHAT_OPENID_EXPIRES_AT}} {{LIBRECHAT_OPENID_NONE}}",
            ),
        ] {
            let user = openid_user(expires_at);
            let context = Context {
                user: Some(&user),
                ..Context::of_environment(&environment)
            };
            let text = Expander::new(&context, false, Depth::Call).text(
                "Bearer {{LIBRECHAT_OPENID_ACCESS_TOKEN}} {{LIBRECHAT_OPENID_USER_EMAIL}} {{LIBRECHAT_OPENID_EXPIRES_AT}} {{LIBRECHAT_OPENID_NONE}}",
                Place::Header,
            );
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn chat_request() {
        let environment = Environment::default();
        let body = texts([("conversationId", "c1"), ("secret", "s")]);
        let template = "{{LIBRECHAT_BODY_CONVERSATIONID}}/{{LIBRECHAT_BODY_MESSAGEID}}/{{LIBRECHAT_BODY_SECRET}}";
        for (depth, body, expected) in [
            (Depth::Call, Some(&body), "c1//{{LIBRECHAT_BODY_SECRET}}"),
            (
                Depth::Reference,
                Some(&body),
                "c1//{{LIBRECHAT_BODY_SECRET}}",
            ),
            (Depth::Call, None, "//{{LIBRECHAT_BODY_SECRET}}"),
            (Depth::Reference, None, template),
            (Depth::Lasting, Some(&body), template),
        ] {
            let context = Context {
                body,
                ..Context::of_environment(&environment)
            };
            let expander = Expander::new(&context, false, depth);
            assert_eq!(expander.text(template, Place::Header), expected);
        }
    }

    #[test]
    fn graph_token() {
        let environment = Environment::default();
        let token = Secret::from("graph");
        let context = Context {
            graph_token: Some(&token),
            ..Context::of_environment(&environment)
        };
        let literal = "{{LIBRECHAT_GRAPH_ACCESS_TOKEN}}";
        let expander = Expander::new(&context, false, Depth::Call);
        assert_eq!(expander.text(literal, Place::Header), "graph");
        assert_eq!(expander.text(literal, Place::UrlOrEnv), "graph");
        assert_eq!(expander.text(literal, Place::Other), literal);
        let none = Context::of_environment(&environment);
        let expander = Expander::new(&none, false, Depth::Call);
        assert_eq!(expander.text(literal, Place::Header), literal);
    }

    /// The environment comes first, since only an administrator writes `${VAR}`, and nothing is expanded twice.
    #[test]
    fn user_data_is_text() {
        let environment = Environment::from([("SECRET", "s3cret"), ("SCHEME", "Bearer {{KEY}}")]);
        let user = user("{{B}}", [("name", "${SECRET} {{A}}")]);
        let variables = texts([
            ("KEY", "$&-$1-$$"),
            ("A", "${SECRET} {{B}} {{LIBRECHAT_USER_ID}}"),
            ("B", "b"),
            ("LIBRECHAT_USER_EMAIL", "mine"),
        ]);
        let body = texts([("messageId", "${SECRET}{{A}}")]);
        let context = Context {
            user: Some(&user),
            custom_user_vars: Some(&variables),
            body: Some(&body),
            graph_token: None,
            environment: &environment,
        };
        let expander = Expander::new(&context, false, Depth::Call);
        for (template, expected) in [
            ("${SCHEME}", "Bearer $&-$1-$$"),
            ("{{A}}", "${SECRET} {{B}} {{LIBRECHAT_USER_ID}}"),
            ("{{LIBRECHAT_USER_ID}}", "{{B}}"),
            ("{{LIBRECHAT_USER_NAME}}", "${SECRET} {{A}}"),
            ("{{LIBRECHAT_USER_EMAIL}}", "mine"),
            ("{{LIBRECHAT_BODY_MESSAGEID}}", "${SECRET}{{A}}"),
            ("{{B}}{{B}} {{b}} {{B}", "bb {{b}} {{B}"),
            ("{{{B}}} {{x{{B}}", "{b} {{xb"),
            ("é{{B}}é}}{{", "ébé}}{{"),
        ] {
            assert_eq!(
                expander.text(template, Place::Header),
                expected,
                "{template}"
            );
        }
    }

    #[test]
    fn a_sandboxed_config_sees_its_variables_only() {
        let environment = Environment::from([("SECRET", "s3cret")]);
        let user = openid_user(FAR_FUTURE);
        let variables = texts([("K", "own")]);
        let body = texts([("messageId", "m")]);
        let token = Secret::from("graph");
        let context = Context {
            user: Some(&user),
            custom_user_vars: Some(&variables),
            body: Some(&body),
            graph_token: Some(&token),
            environment: &environment,
        };
        let expander = Expander::new(&context, true, Depth::Call);
        for literal in [
            " ${SECRET} ",
            "{{LIBRECHAT_USER_ID}}",
            "{{LIBRECHAT_OPENID_TOKEN}}",
            "{{LIBRECHAT_BODY_MESSAGEID}}",
            "{{LIBRECHAT_GRAPH_ACCESS_TOKEN}}",
        ] {
            assert_eq!(expander.text(literal, Place::Header), literal);
            assert_eq!(expander.admin_text(literal), literal);
        }
        assert_eq!(expander.text("<{{K}}>", Place::Header), "<own>");
    }

    /// A user may write a template, so odd ones must not take long.
    #[test]
    fn hostile_templates() {
        let environment = Environment::default();
        let expander = Expander::new(&Context::of_environment(&environment), false, Depth::Call);
        let braces = [
            "{".repeat(200_000),
            "}".repeat(200_000),
            "{{".repeat(100_000) + "}}",
            "{{A}}".repeat(50_000),
            "${".repeat(100_000),
            "x${".repeat(100_000) + "}",
        ];
        for template in braces {
            assert_eq!(expander.text(&template, Place::Other), template);
        }
    }
}
