//! What is posted to an authorization server.

use indexmap::IndexMap;
use url::form_urlencoded;

use crate::foreign_text::SentSecrets;
use crate::secret::Secret;
use crate::trace::Purpose;

/// Members of forms that anybody may read; whatever else a form has is a secret.
const PUBLIC: [&str; 14] = [
    "audience",
    "client_assertion_type",
    "client_id",
    "code_challenge",
    "code_challenge_method",
    "grant_type",
    "prompt",
    "redirect_uri",
    "requested_token_type",
    "resource",
    "response_type",
    "scope",
    "subject_token_type",
    "token_type_hint",
];

/// A form body. Names are unique, as OAuth requires (RFC 6749, section 3.2).
#[derive(Clone, Default)]
pub struct Form(IndexMap<String, String>);

impl Form {
    pub fn set(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), value.to_owned());
    }

    pub fn remove(&mut self, name: &str) -> bool {
        self.0.shift_remove(name).is_some()
    }

    pub(super) fn purpose(&self) -> Purpose {
        let grant_type = self.0.get("grant_type").map(String::as_str);
        Purpose::of_form(grant_type, self.0.contains_key("token"))
    }

    pub(super) fn secrets(&self) -> SentSecrets {
        let members = self.0.iter();
        let secrets = members.filter(|(name, _)| !PUBLIC.contains(&name.as_str()));
        let secrets: Vec<_> = secrets
            .map(|(_, value)| Secret::new(value.clone()))
            .collect();
        secrets.into()
    }

    #[must_use]
    pub fn encode(&self) -> String {
        form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&self.0)
            .finish()
    }
}
