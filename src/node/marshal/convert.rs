//! From JavaScript objects to the core's data. Only the fields that the core needs are read.

use indexmap::IndexMap;
use serde_json::{Map, Value as Json};

use crate::host::{Environment, NetworkRules, OpenIdTokens, RulesOfCall, User};
use crate::node::engine::{JsResult, Names, Scope, Type, Value};
use crate::secret::Secret;
use crate::server_config::{ServerConfig, USER_FIELDS, env_references};

/// Where a user's tokens are.
const TOKENS: Names = &["federatedTokens", "openidTokens"];

pub fn user(value: Value<'_>) -> JsResult<'_, User> {
    let fields = value.fields(USER_FIELDS)?;
    let given = value.pick(TOKENS)?;
    let tokens = |name| given.get(name).map_or(Ok(None), openid_tokens);
    Ok(User {
        id: fields.get("id").filter(|id| !id.is_empty()).cloned(),
        fields,
        federated_tokens: tokens("federatedTokens")?,
        openid_tokens: tokens("openidTokens")?,
    })
}

pub fn openid_tokens<'env>(value: Value<'env>) -> JsResult<'env, Option<OpenIdTokens>> {
    let names = ["access_token", "id_token", "expires_at"];
    if !value.is_object() || !names.iter().any(|name| value.has(name)) {
        return Ok(None);
    }
    let secret = |name| -> JsResult<'env, _> { Ok(value.get(name)?.as_string().map(Secret::new)) };
    let expires_at = whole(value.get("expires_at")?);
    Ok(Some(OpenIdTokens {
        access_token: secret("access_token")?,
        id_token: secret("id_token")?,
        expires_at,
    }))
}

/// A text that is not empty.
pub fn text(value: Value<'_>) -> Option<String> {
    value.as_string().filter(|text| !text.is_empty())
}

/// A text, which may be empty. Anything else is refused under this name.
pub fn required_text<'env>(value: Value<'env>, name: &str) -> JsResult<'env, String> {
    let wrong = || {
        value
            .scope()
            .type_error(&format!("{name} must be a string"))
    };
    value.as_string().ok_or_else(wrong)
}

/// A member that is a text and not empty.
pub fn text_member<'env>(object: Value<'env>, name: &str) -> JsResult<'env, Option<String>> {
    object.get(name).map(text)
}

/// A number without its fraction, such as a time in milliseconds or seconds.
#[expect(clippy::cast_possible_truncation, reason = "the cast saturates")]
pub fn whole(value: Value<'_>) -> Option<i64> {
    value.as_number().map(|number| number as i64)
}

/// A time as it is stored, in milliseconds: a number, a `Date` or its text.
pub fn time(value: Value<'_>) -> JsResult<'_, Option<i64>> {
    match value.to_json()? {
        Some(Json::String(_)) => {
            let date = value.scope().global()?.get("Date")?.construct(&[value])?;
            Ok(date.to_json()?.as_ref().and_then(Json::as_i64))
        }
        time => Ok(time.as_ref().and_then(Json::as_i64)),
    }
}

/// The members of a plain object.
pub type JsonObject = Map<String, Json>;

/// The members of an object, or the entries of a `Map`.
pub fn members(value: Value<'_>) -> JsResult<'_, Option<JsonObject>> {
    if !value.is_object() {
        return Ok(None);
    }
    let is_map = value.get("entries")?.is_function() && value.get("size")?.as_number().is_some();
    let plain = if is_map {
        let objects = value.scope().global()?.get("Object")?;
        objects.call_method("fromEntries", &[value])?
    } else {
        value
    };
    Ok(match plain.to_json()? {
        Some(Json::Object(members)) => Some(members),
        _ => None,
    })
}

/// The members of a server config that the core reads, and with them the environment variables they name.
pub fn server_config<'env>(
    value: Value<'env>,
    environment: &Environment,
) -> JsResult<'env, Option<Map<String, Json>>> {
    if !value.is_object() {
        return Ok(None);
    }
    let members = value.config_members(ServerConfig::MEMBERS)?;
    read_variables(value.scope(), &env_references(&members), environment)?;
    Ok(Some(members))
}

/// Copies variables of `process.env`.
pub fn read_variables<'env, S: AsRef<str>>(
    scope: Scope<'env>,
    names: &[S],
    environment: &Environment,
) -> JsResult<'env, ()> {
    if names.is_empty() {
        return Ok(());
    }
    let variables = scope.global()?.get("process")?.get("env")?;
    for name in names {
        if let Some(value) = variables.get(name.as_ref())?.as_string() {
            environment.set(name.as_ref(), value);
        }
    }
    Ok(())
}

/// An object whose members are texts; other primitive members are taken as text, `null` and `undefined` are left out.
pub fn texts(value: Value<'_>) -> JsResult<'_, IndexMap<String, String>> {
    let mut texts = IndexMap::new();
    for name in value.keys()? {
        let member = value.get(&name)?;
        if matches!(member.kind(), Type::String | Type::Number | Type::Boolean) {
            texts.insert(name, member.to_text()?);
        }
    }
    Ok(texts)
}

/// Every server of `getAllServerConfigs`.
pub fn server_configs<'env>(
    value: Value<'env>,
    environment: &Environment,
) -> JsResult<'env, Vec<(String, Map<String, Json>)>> {
    let mut configs = Vec::new();
    for name in value.keys()? {
        if let Some(config) = server_config(value.get(&name)?, environment)? {
            configs.push((name, config));
        }
    }
    Ok(configs)
}

pub fn text_list(value: Value<'_>) -> JsResult<'_, Vec<String>> {
    Ok(value
        .elements()?
        .into_iter()
        .filter_map(Value::as_string)
        .collect())
}

/// `[shouldEnableSSRFProtection(), getAllowedDomains(), getAllowedAddresses(), resolveAllowlists(…)?]`.
pub fn network_rules(value: Value<'_>) -> JsResult<'_, RulesOfCall> {
    let answers = value.elements()?;
    let answer = |index| value.scope().at(&answers, index);
    let of_operator = NetworkRules {
        ssrf_protection: answer(0).is_truthy(),
        allowed_domains: text_list(answer(1))?,
        allowed_addresses: text_list(answer(2))?,
        tls: None,
    };
    let resolved = answer(3);
    if !resolved.is_object() {
        return Ok(of_operator.into());
    }
    let allowed_domains = text_list(resolved.get("allowedDomains")?)?;
    let protects = resolved.get("useSSRFProtection")?.as_bool();
    let rules = NetworkRules {
        ssrf_protection: protects.unwrap_or(allowed_domains.is_empty()),
        allowed_domains,
        allowed_addresses: text_list(resolved.get("allowedAddresses")?)?,
        tls: None,
    };
    Ok(RulesOfCall {
        of_tenant: rules != of_operator,
        rules,
    })
}
