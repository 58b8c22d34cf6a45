//! Environment variables and `{{PLACEHOLDERS}}` in the texts of a config.

use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};
use std::ops::Range;

use indexmap::IndexMap;

use super::environment;
use super::header::encode_above_latin_1;
use super::openid::OpenIdTokenInfo;
use serde_json::Value;

use crate::environment::Environment;
use crate::foreign_text::SentSecrets;
use crate::secret::{Secret, is_secret_name};
use crate::user::User;

pub(super) const USER_PREFIX: &str = "LIBRECHAT_USER_";
pub(super) const OPENID_PREFIX: &str = "LIBRECHAT_OPENID_";
pub(super) const BODY_PREFIX: &str = "LIBRECHAT_BODY_";
pub(super) const GRAPH_PREFIX: &str = "LIBRECHAT_GRAPH_";
pub(super) const GRAPH_TOKEN: &str = "LIBRECHAT_GRAPH_ACCESS_TOKEN";

/// What placeholders of `LibreChat`'s own begin with. No variable of a user takes their place, declared or not.
const OWN_PREFIXES: [&str; 4] = [USER_PREFIX, OPENID_PREFIX, BODY_PREFIX, GRAPH_PREFIX];

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
    "termsAcceptedAt",
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
    /// The access token of the login session, in place of the user's.
    pub openid_token: Option<&'a Secret>,
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
            openid_token: None,
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

/// What the author of a config may have filled in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// An operator: everything.
    Operator,
    /// A user: that user's variables, and nothing of the server's environment or of other people.
    User,
    /// A plugin: nothing. Its config is taken as it was written, since nobody looked at what it would send where.
    Plugin,
}

/// Which values of users are variables.
#[derive(Clone, Copy)]
pub(super) enum Variables<'a> {
    /// Those that the config declares, and that have no name of `LibreChat`'s own. Users may send any others.
    Declared(&'a [String]),
    /// All, as `LibreChat`'s `processMCPEnv` takes them for options that declare none.
    All,
}

/// Expands the texts of one config.
pub(super) struct Expander<'a> {
    context: Context<'a>,
    trust: Trust,
    variables: Variables<'a>,
    depth: Depth,
    openid: OnceCell<Option<OpenIdTokenInfo>>,
    /// Values of users' variables, and of others whose names say that they are secret.
    secrets: RefCell<SentSecrets>,
}

impl<'a> Expander<'a> {
    pub(super) fn new(
        context: &Context<'a>,
        trust: Trust,
        variables: Variables<'a>,
        depth: Depth,
    ) -> Self {
        Self {
            context: *context,
            trust,
            variables,
            depth,
            openid: OnceCell::new(),
            secrets: RefCell::default(),
        }
    }

    /// What was filled in and has to stay between us and the server; nothing with [`Depth::Lasting`].
    pub(super) fn into_secrets(self) -> SentSecrets {
        self.secrets.into_inner()
    }

    /// Each call has a fingerprint made with [`Depth::Lasting`], which nobody asks for what was filled in.
    fn keeps_secrets(&self) -> bool {
        self.depth != Depth::Lasting
    }

    fn environment<'t>(&self, template: &'t str) -> Cow<'t, str> {
        let environment = self.context.environment;
        if self.keeps_secrets() {
            for name in environment::names(template) {
                if let Some(value) = environment.get(name) {
                    self.secrets.borrow_mut().add_filled_in(name, &value);
                }
            }
        }
        environment::expand(template, environment)
    }

    /// Expands environment variables alone, for members that only an administrator decides about.
    pub(super) fn admin_text(&self, template: &str) -> String {
        self.with_environment(template).into_owned()
    }

    pub(super) fn with_environment<'t>(&self, template: &'t str) -> Cow<'t, str> {
        match self.trust {
            Trust::Operator => self.environment(template),
            Trust::User | Trust::Plugin => Cow::Borrowed(template),
        }
    }

    /// Whether a value that a user chose becomes part of the text.
    pub(super) fn has_variables(&self, template: &str) -> bool {
        scan(template).any(|placeholder| self.variable(placeholder.name).is_some())
    }

    /// What the user set for a variable of this name.
    fn variable(&self, name: &str) -> Option<&'a String> {
        let is_variable = match self.variables {
            Variables::All => true,
            Variables::Declared(declared) => {
                declared.iter().any(|known| known == name)
                    && !OWN_PREFIXES.iter().any(|own| name.starts_with(own))
            }
        };
        self.context
            .custom_user_vars
            .filter(|_| is_variable && self.trust != Trust::Plugin)?
            .get(name)
    }

    /// Expands environment variables, then placeholders. Placeholders are looked for in the template only, once, so
    /// that what users write is never expanded itself.
    pub(super) fn text<'t>(&self, template: &'t str, place: Place) -> Cow<'t, str> {
        match self.with_environment(template) {
            Cow::Borrowed(template) => self.filled_in(template, place),
            Cow::Owned(template) => Cow::Owned(self.filled_in(&template, place).into_owned()),
        }
    }

    /// The text before and after the first placeholder of this kind, filled in.
    pub(super) fn around(
        &self,
        template: &str,
        place: Place,
        is_wanted: impl Fn(&str) -> bool,
    ) -> Option<(String, String)> {
        let template = self.with_environment(template);
        let found = scan(&template).find(|placeholder| is_wanted(placeholder.name))?;
        let (before, after) = (&template[..found.range.start], &template[found.range.end..]);
        let filled_in = |text| self.filled_in(text, place).into_owned();
        Some((filled_in(before), filled_in(after)))
    }

    /// Placeholders alone.
    fn filled_in<'t>(&self, template: &'t str, place: Place) -> Cow<'t, str> {
        let mut result = String::new();
        let mut copied = 0;
        for Placeholder { range, name } in scan(template) {
            if let Some(value) = self.value(name, place) {
                let is_secret = || is_secret_name(name) || self.variable(name).is_some();
                if self.keeps_secrets() && is_secret() {
                    self.secrets.borrow_mut().add(&*value);
                }
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

    fn value(&self, name: &str, place: Place) -> Option<Cow<'_, str>> {
        if let Some(value) = self.variable(name) {
            return Some(Cow::Borrowed(value));
        }
        if self.trust != Trust::Operator {
            return None;
        }
        if let Some(field) = name.strip_prefix(USER_PREFIX) {
            return self.user_field(field, place);
        }
        if self.depth == Depth::Lasting {
            return None;
        }
        if let Some(token) = self.context.openid_token.filter(|_| is_access_token(name)) {
            return Some(Cow::Borrowed(token.expose().as_str()));
        }
        if let Some(name) = name.strip_prefix(OPENID_PREFIX) {
            return self.openid()?.placeholder(name).map(Cow::Owned);
        }
        if let Some(field) = name.strip_prefix(BODY_PREFIX) {
            return self.body_field(field);
        }
        if name == GRAPH_TOKEN && place != Place::Other {
            let token = self.context.graph_token?;
            self.secrets.borrow_mut().add(token.clone());
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

/// Whether the placeholder stands for the user's `OpenID` access token.
pub(super) fn is_access_token(name: &str) -> bool {
    matches!(
        name.strip_prefix(OPENID_PREFIX),
        Some("ACCESS_TOKEN" | "TOKEN")
    )
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
    // Most texts have none, which is seen sooner than where one might end.
    let template = if template.as_bytes().contains(&b'{') {
        template
    } else {
        ""
    };
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

/// Whether a text has one, however deep in the value.
pub(super) fn has_placeholders(value: &Value) -> bool {
    match value {
        Value::String(text) => placeholders(text).next().is_some(),
        Value::Array(items) => items.iter().any(has_placeholders),
        Value::Object(members) => members.values().any(has_placeholders),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
