//! How a user authorizes with a server: finding the authorization server, registering a client, the authorization
//! code flow with PKCE, tokens in `LibreChat`'s collection, refreshing them, revoking them.
//!
//! An [`Authorizer`] is one user's relation to one server. As [`AccessTokens`](crate::connection::AccessTokens) it
//! gives connections their tokens, silently; its flows ask the user.
//!
//! Follows the MCP authorization chapters of 2025-06-18, 2025-11-25 and 2026-07-28; RFC 9728, 8414, 7591, 7636, 8707,
//! 6749, 7009, 9207.

mod access;
mod announcement;
mod answer;
mod asking;
mod authorizer;
mod binding;
mod challenge;
mod cipher;
mod client_assertion;
mod client_auth;
mod complete;
mod detect;
mod documents;
mod dpop;
mod exchange;
mod failure;
mod fence;
mod flow;
mod flow_id;
mod flow_kind;
mod form;
mod grant_options;
mod host_lock;
mod host_rules;
mod http;
mod initiate;
mod issuer;
mod leases;
mod lifetime;
mod locked_refresher;
mod login;
mod metadata;
mod options;
mod par;
mod pause;
mod pending;
mod pkce;
mod probe;
mod reconnection;
mod redemption;
mod redirect;
mod refresh;
mod refresh_lock;
mod registration;
mod renew;
mod revoke;
mod runtime;
mod scope;
mod state_mapping;
mod storage;
mod stored_tokens;
mod unlocked;

pub use asking::Asking;
pub use authorizer::{Authorizer, Relation};
pub use binding::{check_client_row, client_row_metadata};
pub use challenge::BearerChallenge;
pub use cipher::Cipher;
pub use client_assertion::{ClientEndpoint, ClientKeys, KeyedClient};
pub use client_auth::{AuthMethod, authenticate};
pub use complete::{CANCELLED, Callback, Completion, Persist, Persisted};
pub use detect::{Detection, DetectionMethod, detect};
pub use documents::{ClientInfo, ResourceMetadata, ServerMetadata, Tokens, texts};
pub use dpop::{check_bound, wants_dpop};
pub use exchange::Received;
pub use failure::{CHECK_CLIENT, after_login, wants_only_dpop};
pub use flow::{FlowRequest, FlowStart};
pub use flow_id::{FlowOwner, flow_id, parse_flow_id};
pub use flow_kind::{CLAIM_KIND, FLOW_KIND, STATE_KIND};
pub use form::Form;
pub use grant_options::{AssertionSource, IdentityProvider, KeySource, PrivateKeyJwt};
pub use http::{Endpoints, Party};
pub use initiate::{Initiated, Initiation};
pub use issuer::{is_same_origin, same_issuer, stated_issuer};
pub use leases::{FENCE_UNAVAILABLE, Holder, Leases, storage_unavailable};
pub use lifetime::{YEAR, stated_lifetime};
pub use metadata::{authorization_server, check_resource, issuer_metadata, protected_resource};
pub use options::OAuthOptions;
pub use pending::Pending;
pub use reconnection::{Reconnections, TrackerStats};
pub use redemption::{Redemption, mark_rejected};
pub use refresh::{Refresh, StoredEndpoint};
pub use revoke::{Revocation, revoke};
pub use runtime::OAuth;
pub use state_mapping::{
    delete_flow_and_state, delete_flows_of, delete_state_mapping, fail_flow_and_state,
    resolve_state, store_state_mapping,
};
pub use storage::{Grant, Seen, SeenAccess, Storage, StoredClient, Unwitnessed, Witness, unbound};
pub use stored_tokens::{GrantRefresher, Stored, stored_tokens};
