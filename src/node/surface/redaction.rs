//! What users of the API may see of configs.

use std::sync::atomic::{AtomicU8, Ordering};

use napi::Env;
use napi::bindgen_prelude::Unknown;
use napi_derive::napi;

use super::policy::{policy_view, with};
use crate::host::Abilities;
use crate::node::engine::{JsResult, Type, Value};
use crate::node::marshal::services;
use crate::node::marshal::services::GENERATION;
use crate::server_config::{self, EDITORS_MEMBERS, SHOWN_MEMBERS, SHOWN_OAUTH, SHOWN_URLS};

/// The kinds of hosts that this process has made runtimes over.
static HOSTS: AtomicU8 = AtomicU8::new(0);

/// A host that shows every config to whoever may use it, as LibreChat did before it told editors apart.
const WITHOUT_EDITORS: u8 = 1;
const WITH_EDITORS: u8 = 2;

/// Remembers which kind of host a runtime was made over. A registry that only a function gives is not asked for yet.
pub fn note_host(host: Value<'_>) -> JsResult<'_, ()> {
    let present = services::present(host)?;
    if !present.has("registry") {
        return Ok(());
    }
    let registry = host.get("registry")?;
    let abilities = Abilities {
        catalog_generations: present.has(GENERATION),
        app_server_configs: registry.is_object() && registry.has("isAppServerConfig"),
        ..Abilities::default()
    };
    let kind = if abilities.is_current() {
        WITH_EDITORS
    } else {
        WITHOUT_EDITORS
    };
    HOSTS.fetch_or(kind, Ordering::Relaxed);
    Ok(())
}

/// Whether a caller that does not say who asks may be shown where servers are.
fn shows_addresses_to_all() -> bool {
    HOSTS.load(Ordering::Relaxed) == WITHOUT_EDITORS
}

/// What users of the API may see of a config. An allowlist: a member that it does not name is left out. Only with
/// `canEdit` are `url`, `oauth.authorization_url`, `oauth.token_url`, `oauth.revocation_endpoint` and `oauth.issuer` among
/// them. URLs
/// lose user information, fragment, and values of the query that are or may be secrets, which become `***`.
/// `requestScoped` is added, `true`, where connecting needs fields of a chat request.
///
/// Without `options` a LibreChat that does not tell editors apart, which shows by the services of its runtimes, gets
/// the addresses, too.
#[napi(
    ts_args_type = "config: object, options?: { canEdit?: boolean }",
    ts_return_type = "Record<string, unknown>"
)]
pub fn redact_server_secrets<'any>(
    env: Env,
    config: Unknown<'_>,
    options: Option<Unknown<'_>>,
) -> napi::Result<Unknown<'any>> {
    with(env, &config, |config| {
        let can_edit = match options.map(|options| config.scope().wrap(&options)) {
            Some(options) => options.get("canEdit")?.is_truthy(),
            None => shows_addresses_to_all(),
        };
        redacted(config, can_edit)
    })
}

/// The same for each config of a map; a server that is not in `canEditByServer` is nobody's to edit.
///
/// @throws `TypeError` where `canEditByServer` is no map
#[napi(
    ts_args_type = "configs: Record<string, object>, options?: { canEditByServer?: ReadonlyMap<string, boolean> }",
    ts_return_type = "Record<string, Record<string, unknown>>"
)]
pub fn redact_all_server_secrets<'any>(
    env: Env,
    configs: Unknown<'_>,
    options: Option<Unknown<'_>>,
) -> napi::Result<Unknown<'any>> {
    with(env, &configs, |configs| {
        let scope = configs.scope();
        let options = options.map(|options| scope.wrap(&options));
        let editors = options.map(|options| options.get("canEditByServer"));
        let editors = editors.transpose()?.and_then(Value::present);
        let editor = editors.map(|editors| editors.get("get")).transpose()?;
        if editor.is_some_and(|editor| !editor.is_function()) {
            return Err(scope.type_error("redactAllServerSecrets: canEditByServer must be a Map"));
        }
        let safe = scope.object()?;
        // Assigned, `__proto__` would become the prototype of the answer.
        for name in configs.keys()?.iter().filter(|name| *name != "__proto__") {
            let can_edit = match (editors, editor) {
                (Some(editors), Some(editor)) => {
                    editor.call(editors, &[scope.string(name)?])?.is_truthy()
                }
                _ => options.is_none() && shows_addresses_to_all(),
            };
            safe.set(name, redacted(configs.get(name)?, can_edit)?)?;
        }
        Ok(safe)
    })
}

fn redacted(config: Value<'_>, can_edit: bool) -> JsResult<'_> {
    let scope = config.scope();
    let safe = scope.object()?;
    for name in SHOWN_MEMBERS {
        keep(config, safe, name, can_edit)?;
    }
    if policy_view(config)?.is_some_and(|config| config.is_request_scoped()) {
        safe.set("requestScoped", scope.boolean(true)?)?;
    }
    let api_key = config.get_own("apiKey")?;
    if api_key.is_truthy() {
        let shown = scope.object()?;
        if api_key.is_object() {
            keep(api_key, shown, "source", can_edit)?;
            keep(api_key, shown, "authorization_type", can_edit)?;
            if api_key.get_own("custom_header")?.is_truthy() {
                keep(api_key, shown, "custom_header", can_edit)?;
            }
        }
        safe.set("apiKey", shown)?;
    }
    let oauth = config.get_own("oauth")?;
    if oauth.is_truthy() {
        let shown = scope.object()?;
        if oauth.is_object() {
            for name in SHOWN_OAUTH {
                keep(oauth, shown, name, can_edit)?;
            }
        }
        safe.set("oauth", shown)?;
    }
    let obo = config.get_own("obo")?;
    if obo.is_truthy() {
        safe.set("obo", obo)?;
    }
    Ok(safe)
}

/// Copies a member of a config that `can_edit` allows to see.
fn keep<'env>(
    from: Value<'env>,
    to: Value<'env>,
    name: &str,
    can_edit: bool,
) -> JsResult<'env, ()> {
    let member = from.get_own(name)?;
    let is_hidden = !can_edit && EDITORS_MEMBERS.contains(&name);
    // An object is an operator's rule, which is shown no more than the others; LibreChat's inspector makes it a text.
    let is_rule = name == "tools" && member.is_object();
    if is_hidden || is_rule || member.kind() == Type::Undefined {
        return Ok(());
    }
    let shown = match member.present() {
        Some(url) if SHOWN_URLS.contains(&name) => {
            let redact = if name == "iconPath" {
                server_config::redact_icon
            } else {
                server_config::redact_url
            };
            from.scope().string(&redact(&url.to_text()?))?
        }
        _ => member,
    };
    to.set(name, shown)
}
