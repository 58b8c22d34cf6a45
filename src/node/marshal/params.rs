//! The object of parameters that a function is given.

use std::time::Duration;

use super::services::describe;
use crate::node::engine::{JsResult, MemberValues, Names, Scope, Thrown, Type, Value};

/// The parameter object of one call.
pub struct Params<'env> {
    function: &'static str,
    object: Value<'env>,
    members: MemberValues<'env>,
}

/// What calls may be given.
const PARAMS: Names = &[
    "anew",
    "approvedBy",
    "authorize",
    "configServers",
    "connectionTarget",
    "connectionTimeout",
    "customUserVars",
    "deadlineMs",
    "drainMs",
    "flowManager",
    "forceNew",
    "graphTokenResolver",
    "handOver",
    "jobCreatedAt",
    "maxTotalTimeout",
    "mcpApps",
    "method",
    "oauthEnd",
    "oauthStart",
    "oboIdentityContext",
    "oboTokenResolver",
    "oboTrustChecker",
    "onDiscoveryDetached",
    "onOAuthCredentialsAdopted",
    "onOAuthCredentialsChanged",
    "onOAuthCredentialsChanging",
    "onOAuthCredentialsInvalidated",
    "onprogress",
    "ontask",
    "options",
    "params",
    "provider",
    "recoveryPolicy",
    "requestBody",
    "requestScopedConnections",
    "retry",
    "returnOnOAuth",
    "scheduledBearerInvocation",
    "scheduledMCPInvocation",
    "serverConfig",
    "serverName",
    "signal",
    "streamId",
    "task",
    "timeout",
    "tokenMethods",
    "toolArguments",
    "toolName",
    "tools",
    "upstreamTokenProvider",
    "upstreamTokenProviderResolver",
    "user",
    "userMCPAuthMap",
];

impl<'env> Params<'env> {
    pub fn new(
        scope: Scope<'env>,
        function: &'static str,
        argument: Option<Value<'env>>,
    ) -> JsResult<'env, Self> {
        match argument.filter(|argument| argument.is_object()) {
            Some(object) => Ok(Self {
                function,
                object,
                members: object.pick(PARAMS)?,
            }),
            None => Err(scope.type_error(&format!("{function}: the parameters must be an object"))),
        }
    }

    pub fn object(&self) -> Value<'env> {
        self.object
    }

    /// Whether it was given, whatever it is.
    pub fn has(&self, name: &str) -> bool {
        self.members.get(name).is_some()
    }

    /// What a value is refused with.
    pub fn wrong(&self, name: &str, what: &str) -> Thrown<'env> {
        let function = self.function;
        let message = format!("{function}: params.{name} {what}");
        self.object.scope().type_error(&message)
    }

    pub fn typed(
        &self,
        name: &str,
        kind: Type,
        expected: &str,
    ) -> JsResult<'env, Option<Value<'env>>> {
        debug_assert!(PARAMS.contains(&name), "{name} is not in the list");
        let Some(value) = self.members.get(name) else {
            return Ok(None);
        };
        if value.kind() == kind {
            return Ok(Some(value));
        }
        let (function, actual) = (self.function, describe(value));
        Err(value.scope().type_error(&format!(
            "{function}: params.{name} must be {expected}, got {actual}"
        )))
    }

    pub fn text(&self, name: &str) -> JsResult<'env, Option<String>> {
        Ok(self
            .typed(name, Type::String, "a string")?
            .and_then(Value::as_string))
    }

    pub fn boolean(&self, name: &str) -> JsResult<'env, Option<bool>> {
        Ok(self
            .typed(name, Type::Boolean, "a boolean")?
            .and_then(Value::as_bool))
    }

    pub fn object_member(&self, name: &str) -> JsResult<'env, Option<Value<'env>>> {
        self.typed(name, Type::Object, "an object")
    }

    pub fn function(&self, name: &str) -> JsResult<'env, Option<Value<'env>>> {
        self.typed(name, Type::Function, "a function")
    }

    /// Milliseconds; negative and non-numbers are none, as for JavaScript's timers.
    pub fn duration(&self, name: &str) -> JsResult<'env, Option<Duration>> {
        let value = self
            .typed(name, Type::Number, "a number of milliseconds")?
            .and_then(Value::as_number);
        Ok(value.map(|milliseconds| {
            Duration::try_from_secs_f64(milliseconds / 1000.0).unwrap_or_default()
        }))
    }

    pub fn signal(&self, name: &str) -> JsResult<'env, Option<Value<'env>>> {
        let Some(signal) = self.typed(name, Type::Object, "an AbortSignal")? else {
            return Ok(None);
        };
        if signal.get("addEventListener")?.is_function() {
            return Ok(Some(signal));
        }
        let function = self.function;
        Err(signal.scope().type_error(&format!(
            "{function}: params.{name} must be an AbortSignal, got an object"
        )))
    }
}
