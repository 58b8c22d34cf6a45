//! What a grant is bound to, for hosts that store it themselves: `buildStoredClientMetadata` and
//! `assertStoredClientBinding`.

use serde_json::Value as Json;

use super::call::parsed;
use crate::node::engine::{JsResult, Thrown};
use crate::node::marshal::convert::{self, members};
use crate::node::marshal::{classes, errors};
use crate::node::surface::methods::Invocation;
use crate::oauth::{ClientInfo, OAuthOptions, check_client_row, client_row_metadata};

/// `(metadata, resourceMetadata, serverUrl, clientSource)`
pub fn build_metadata<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    let object = |index| members(invocation.argument(index));
    let scope = invocation.scope;
    let text = |index| convert::text(invocation.argument(index));
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
pub fn assert_binding<'env>(invocation: &Invocation<'env>) -> JsResult<'env> {
    let object = |index| members(invocation.argument(index));
    let server_name = invocation.required_text(0, "serverName")?;
    let server_url = convert::text(invocation.argument(1));
    let checked = check_client_row(
        &server_name,
        server_url.as_deref(),
        object(2)?.and_then(ClientInfo::new).as_ref(),
        object(3)?.as_ref(),
        &OAuthOptions::new(object(4)?.as_ref()),
    );
    let scope = invocation.scope;
    let outcome = match checked {
        Ok(()) => Ok(scope.undefined()),
        Err(error) => Err(Thrown(errors::to_js(scope, &error))),
    };
    classes::adopted(outcome, invocation.runtime.host.get(scope))
}
