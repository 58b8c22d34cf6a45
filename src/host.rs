//! What the core needs from outside, as traits and plain data. The Node addon implements them over JavaScript
//! callbacks, `embedded/` without any host.

mod audit;
mod authorization;
mod call;
mod client_assertion;
mod client_profile;
mod credentials;
mod flows;
mod limits;
mod obo;
mod registry;
mod server_requests;
mod sessions;
mod standing;
mod tenancy;
mod tokens;
mod tool_hooks;
mod tool_pins;
mod tools;
mod trace_context;
mod upstream;
mod workload;

pub use audit::Audit;
pub use authorization::{
    AuthorizationPrompt, Redirect, RedirectEndpoint, RedirectListener, RedirectOutcome,
};
pub use call::Host;
pub use client_assertion::{AssertionRequest, ClientAssertions};
pub use client_profile::ClientProfile;
pub use credentials::{CredentialEvents, Publication};
pub use flows::{FlowAttempt, FlowState, FlowStatus, FlowStore, LeaseOptions, Lock, LockGuard};
pub use limits::SharedLimits;
pub use obo::{ClientAuth, OnBehalfOf, OpenIdClient, ResolvedToken, SharedCache, TokenResolver};
pub use registry::{Lookup, Registry, RulesOfCall, Storage};
pub use server_requests::{Heard, Notice, Peer, ServerRequest, ServerRequests};
pub use sessions::SessionStore;
pub use standing::{REST, Standing};
pub use tenancy::{Tenancy, tenant_of};
pub use tokens::{
    CREDENTIAL_SET_ID, CredentialSet, CredentialsKey, Expiry, StoreMethods, TokenData, TokenQuery,
    TokenRow, TokenStore, TokenUpdate,
};
pub use tool_hooks::{AboutCall, CallInQuestion, ResultInQuestion, ToolHooks, Verdict};
pub use tool_pins::ToolPins;
pub use tools::{HostConnections, HostTools, ToolPublisher, ToolUpdate};
pub use trace_context::TraceContext;
pub use upstream::{Identity, UpstreamTokens};
pub use workload::WorkloadIdentity;

pub use crate::abilities::Abilities;
pub use crate::environment::Environment;
pub use crate::error::{HostFault, HostValue};
pub use crate::log::{Level, Log, LogMeta, Logger};
pub use crate::network::NetworkRules;
pub use crate::user::{OpenIdTokens, User};
