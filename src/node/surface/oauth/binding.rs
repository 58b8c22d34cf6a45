//! What a grant is bound to, for hosts that store it themselves: `buildStoredClientMetadata` and
//! `assertStoredClientBinding`.

#![expect(
    clippy::needless_pass_by_value,
    reason = "one type for all functions of a surface"
)]

use std::sync::Arc;

use serde_json::Value as Json;

use super::call::parsed;
use crate::node::engine::{JsResult, Scope, Thrown, Value};
use crate::node::marshal::convert::{self, members, required_text};
use crate::node::marshal::{classes, errors};
use crate::node::surface::state::RuntimeState;
use crate::oauth::{ClientInfo, OAuthOptions, check_client_row, client_row_metadata};

/// `(metadata, resourceMetadata, serverUrl, clientSource)`
pub fn build_metadata<'env>(
    _: &Arc<RuntimeState>,
    scope: Scope<'env>,
    arguments: Vec<Value<'env>>,
) -> JsResult<'env> {
    let object = |index: usize| match arguments.get(index) {
        Some(value) => members(*value),
        None => Ok(None),
    };
    let text = |index: usize| arguments.get(index).copied().and_then(convert::text);
    let (Some(server), Some(server_url), Some(source)) = (object(0)?, text(2), text(3)) else {
        return Ok(scope.undefined());
    };
    let thrown = |error| Thrown(errors::to_js(scope, &error));
    parsed(&server_url).map_err(thrown)?;
    let resource = object(1)?;
    let row = client_row_metadata(server, resource.as_ref(), Some(&server_url), Some(&source));
    scope.json(&Json::Object(row))
}

/// `(serverName, serverUrl, clientInfo, storedMetadata, oauthConfig?)`
pub fn assert_binding<'env>(
    runtime: &Arc<RuntimeState>,
    scope: Scope<'env>,
    arguments: Vec<Value<'env>>,
) -> JsResult<'env> {
    let object = |index: usize| match arguments.get(index) {
        Some(value) => members(*value),
        None => Ok(None),
    };
    let server_name = required_text(scope, &arguments, 0, "serverName")?;
    let server_url = arguments.get(1).copied().and_then(convert::text);
    let checked = check_client_row(
        &server_name,
        server_url.as_deref(),
        object(2)?.and_then(ClientInfo::new).as_ref(),
        object(3)?.as_ref(),
        &OAuthOptions::new(object(4)?.as_ref()),
    );
    let outcome = match checked {
        Ok(()) => Ok(scope.undefined()),
        Err(error) => Err(Thrown(errors::to_js(scope, &error))),
    };
    classes::adopted(outcome, runtime.host.get(scope))
}
