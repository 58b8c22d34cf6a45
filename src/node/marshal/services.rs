//! The host services: their shapes are checked once, their values are read when they are used.

use super::classes;
use crate::node::engine::{JsResult, Names, Present, Scope, Thrown, Type, Value};

/// The callback that takes the tools of a server.
pub const UPDATE_TOOLS: &str = "updateMCPServerTools";
/// What a user's tools are published under.
pub const GENERATION: &str = "getMCPToolsCacheGeneration";

/// The operator's rules for the tools of all servers.
pub const SETTINGS: &str = "mcpSettings";

/// Where the function is in a `sampling` that says more.
pub const HANDLER: &str = "handler";

/// What a member of the host services may be.
enum Shape {
    Function,
    Boolean,
    String,
    StringOrObject,
    /// An object with these functions.
    Methods(&'static [&'static str]),
    /// A function, or an object with these.
    FunctionOrMethods(&'static [&'static str]),
    /// An object with these functions, or a function that returns it.
    MethodsOrGetter(&'static [&'static str]),
    ObjectOrGetter,
}

const REGISTRY: &[&str] = &[
    "getServerConfig",
    "getAllServerConfigs",
    "reinspectServer",
    "shouldEnableSSRFProtection",
    "getAllowedDomains",
    "getAllowedAddresses",
];
const TOKEN_METHODS: &[&str] = &["findToken", "createToken", "updateToken", "deleteTokens"];
const FLOW_MANAGER: &[&str] = &[
    "getFlowState",
    "initFlow",
    "completeFlow",
    "failFlow",
    "deleteFlow",
];

const MEMBERS: &[(&str, Shape)] = &[
    ("config", Shape::StringOrObject),
    ("registry", Shape::MethodsOrGetter(REGISTRY)),
    (SETTINGS, Shape::ObjectOrGetter),
    ("tokenMethods", Shape::MethodsOrGetter(TOKEN_METHODS)),
    ("flowManager", Shape::MethodsOrGetter(FLOW_MANAGER)),
    (UPDATE_TOOLS, Shape::Function),
    (GENERATION, Shape::Function),
    ("renewMCPToolsCacheGeneration", Shape::Function),
    ("getNextAppToolsPublicationRevision", Shape::Function),
    ("getMCPAppToolsPublicationGeneration", Shape::Function),
    ("requiresUserScopedConnection", Shape::Function),
    ("onOAuthCredentialsChanging", Shape::Function),
    ("onOAuthCredentialsChanged", Shape::Function),
    ("onOAuthCredentialsAdopted", Shape::Function),
    ("onOAuthCredentialsInvalidated", Shape::Function),
    ("connections", Shape::ObjectOrGetter),
    ("openIdConfig", Shape::ObjectOrGetter),
    (
        "exchangedTokens",
        Shape::MethodsOrGetter(&["get", "set", "delete"]),
    ),
    (
        "sharedSessions",
        Shape::MethodsOrGetter(&["get", "set", "compareAndSet", "delete"]),
    ),
    (
        "toolPins",
        Shape::MethodsOrGetter(&["get", "compareAndSet"]),
    ),
    ("oboTokenResolver", Shape::Function),
    ("oboTrustChecker", Shape::Function),
    ("graphTokenResolver", Shape::Function),
    ("getClientAssertion", Shape::Function),
    ("getWorkloadAssertion", Shape::Function),
    (
        "logger",
        Shape::Methods(&["debug", "info", "warn", "error"]),
    ),
    ("getTenantId", Shape::Function),
    ("lock", Shape::Methods(&["acquire"])),
    (
        "limits",
        Shape::MethodsOrGetter(&["count", "block", "blockedFor", "clear"]),
    ),
    ("sampling", Shape::FunctionOrMethods(&[HANDLER])),
    ("elicitation", Shape::Function),
    ("roots", Shape::Function),
    ("onLogMessage", Shape::Function),
    ("onElicitationComplete", Shape::Function),
    ("clientInfo", Shape::Methods(&[])),
    ("extensions", Shape::Methods(&[])),
    ("traceContext", Shape::Function),
    ("traceHeaders", Shape::Boolean),
    ("onSpans", Shape::Function),
    ("onTraffic", Shape::Function),
    ("onToolCall", Shape::Function),
    ("onToolResult", Shape::Function),
    ("onAudit", Shape::Function),
    ("keepConnections", Shape::Boolean),
    ("credentialsKey", Shape::String),
    (classes::HOST_CLASSES, Shape::Methods(&[])),
];

const NAMES: Names = &{
    let mut names = [""; MEMBERS.len()];
    let mut index = 0;
    while index < names.len() {
        names[index] = MEMBERS[index].0;
        index += 1;
    }
    names
};

/// Which members the host has now.
pub fn present(host: Value<'_>) -> JsResult<'_, Present> {
    host.which(NAMES)
}

/// Refuses a wrong shape with a `TypeError` that names the member and what was expected.
pub fn check(host: Value<'_>) -> JsResult<'_, ()> {
    let scope = host.scope();
    if !host.is_object() {
        return Err(scope.type_error(&format!(
            "createMCPRuntime: host must be an object, got {}",
            describe(host)
        )));
    }
    for (name, shape) in MEMBERS {
        if let Some(member) = host.get(name)?.present() {
            check_member(name, shape, member)?;
        }
    }
    let present = present(host)?;
    match (present.has("registry"), present.has("config")) {
        (true, true) => Err(scope.type_error(
            "createMCPRuntime: host.registry and host.config exclude each other",
        )),
        (false, true) if present.has(SETTINGS) => Err(scope.type_error(
            "createMCPRuntime: host.mcpSettings and host.config exclude each other: a config has mcpSettings of its own",
        )),
        (false, false) => Err(scope.type_error(
            "createMCPRuntime: host.registry must be an object or a function that returns one, unless host.config is given",
        )),
        _ => Ok(()),
    }
}

fn check_member<'env>(name: &str, shape: &Shape, member: Value<'env>) -> JsResult<'env, ()> {
    let refuse = |expected: &str| {
        Err(wrong(
            member.scope(),
            &format!("host.{name}"),
            expected,
            member,
        ))
    };
    match (shape, member.kind()) {
        (
            Shape::Function
            | Shape::FunctionOrMethods(_)
            | Shape::MethodsOrGetter(_)
            | Shape::ObjectOrGetter,
            Type::Function,
        )
        | (Shape::Boolean, Type::Boolean)
        | (Shape::String, Type::String)
        | (Shape::StringOrObject, Type::String | Type::Object)
        | (Shape::ObjectOrGetter, Type::Object) => Ok(()),
        (
            Shape::Methods(methods)
            | Shape::FunctionOrMethods(methods)
            | Shape::MethodsOrGetter(methods),
            Type::Object,
        )
        // Loggers may be callable objects.
        | (Shape::Methods(methods), Type::Function) => methods_of(name, methods, member),
        (Shape::Function, _) => refuse("a function"),
        (Shape::Boolean, _) => refuse("a boolean"),
        (Shape::String, _) => refuse("a string"),
        (Shape::StringOrObject, _) => refuse("a path or an object"),
        (Shape::Methods(_), _) => refuse("an object"),
        (Shape::FunctionOrMethods(_), _) => refuse("a function or an object"),
        (Shape::MethodsOrGetter(_) | Shape::ObjectOrGetter, _) => {
            refuse("an object or a function that returns one")
        }
    }
}

fn methods_of<'env>(name: &str, methods: &[&str], member: Value<'env>) -> JsResult<'env, ()> {
    for method in methods {
        let value = member.get(method)?;
        if !value.is_function() {
            return Err(wrong(
                member.scope(),
                &format!("host.{name}.{method}"),
                "a function",
                value,
            ));
        }
    }
    Ok(())
}

fn wrong<'env>(
    scope: Scope<'env>,
    path: &str,
    expected: &str,
    actual: Value<'env>,
) -> Thrown<'env> {
    scope.type_error(&format!(
        "createMCPRuntime: {path} must be {expected}, got {}",
        describe(actual)
    ))
}

/// The type of a value, in the words of an error message.
pub fn describe(value: Value<'_>) -> &'static str {
    match value.kind() {
        Type::Undefined => "undefined",
        Type::Null => "null",
        Type::Boolean => "a boolean",
        Type::Number => "a number",
        Type::String => "a string",
        Type::Object => "an object",
        Type::Function => "a function",
        Type::Other => "a value of another type",
    }
}
