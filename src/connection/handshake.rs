//! The handshake, as a table: for each answer to `server/discover` or `initialize`, what comes next.
//!
//! A server of 2026-07-28 answers `server/discover`; every other one begins with `initialize`. A process is asked for
//! `initialize` first, since older ones may never answer anything else. Whatever else comes back
//! for `server/discover` (a refusal of a gateway, a page, nothing in time) says only that the method is unknown, so that
//! the answer to `initialize` decides.

use std::time::Duration;

use rmcp::model::{DiscoverResult, ErrorCode, ProtocolVersion, ServerCapabilities};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::failures::{METHOD_NOT_FOUND, server_error};
use super::generation::{DISCOVERED, Generation};
use crate::error::{Code, Error, Result};
use crate::nesting::{self, MAX_NESTING};
use crate::tools::{member, members};
use crate::transport::Reply;
use crate::transport::message::RpcError;

/// How long `server/discover` may take, and at most half of what is left for the handshake.
const DISCOVER_TIMEOUT: Duration = Duration::from_secs(10);

/// The JSON-RPC code of a protocol version that the server does not speak.
const UNSUPPORTED: i64 = ErrorCode::UNSUPPORTED_PROTOCOL_VERSION.0 as i64;
/// A version before the first that rmcp knows, with the same handshake. The TypeScript SDK takes it.
const OLDEST: &str = "2024-10-07";

/// What is done next.
#[derive(Debug)]
pub(super) enum Step {
    /// Ask `server/discover`; the number counts from 1.
    Discover(u32),
    /// Ask `initialize`.
    Initialize,
    /// Ask `server/discover` once: `initialize` was asked first, and refused with this.
    DiscoverInstead(Error),
    Agreed(Box<Described>),
    Failed(Error),
}

/// What a server says of itself.
#[derive(Debug, Clone)]
pub struct Described {
    pub version: ProtocolVersion,
    pub capabilities: ServerCapabilities,
    pub instructions: Option<String>,
    /// The object with the capabilities as the server wrote it, extensions and all. Absent where it wrote none.
    pub raw_capabilities: Option<Box<RawValue>>,
    /// The object with name and version as the server wrote it. Absent where it wrote none.
    pub server_info: Option<Box<RawValue>>,
}

impl PartialEq for Described {
    fn eq(&self, other: &Self) -> bool {
        let is_same = |one: &Option<Box<RawValue>>, other: &Option<Box<RawValue>>| {
            one.as_deref().map(RawValue::get) == other.as_deref().map(RawValue::get)
        };
        self.version == other.version
            && self.capabilities == other.capabilities
            && self.instructions == other.instructions
            && is_same(&self.raw_capabilities, &other.raw_capabilities)
            && is_same(&self.server_info, &other.server_info)
    }
}

impl Described {
    #[must_use]
    pub fn generation(&self) -> Generation {
        if self.version.has_initialize() {
            Generation::Initialize
        } else {
            Generation::Discover
        }
    }
}

pub(super) const fn first(known: Option<Generation>) -> Step {
    match known {
        Some(Generation::Initialize) => Step::Initialize,
        Some(Generation::Discover) | None => Step::Discover(1),
    }
}

/// How long to wait for the answer to `server/discover`.
pub(super) fn discover_timeout(left: Duration) -> Duration {
    DISCOVER_TIMEOUT.min(left / 2)
}

/// What follows the answer to `server/discover`. An error is one of the wire, or its time is over.
pub(super) fn after_discover(attempt: u32, answer: Result<Reply>) -> Step {
    match answer {
        Ok(Reply::Result(result)) => match read::<DiscoverResult>(&result) {
            Some(described) => choose(described, &result),
            // Some servers answer every method that they do not know with an empty result.
            None => Step::Initialize,
        },
        Ok(Reply::Error(error)) => after_refusal(attempt, &error),
        Err(error) if is_final(&error) => Step::Failed(error),
        // In the body of an HTTP 400, of which the versions are not read: a server without ours refuses it again.
        Err(error) if attempt == 1 && error.rpc_code == Some(UNSUPPORTED) => {
            Step::Discover(attempt + 1)
        }
        Ok(Reply::Empty) | Err(_) => Step::Initialize,
    }
}

/// Faults that `initialize` would meet in the same way.
const fn is_final(error: &Error) -> bool {
    matches!(
        error.code,
        Code::Aborted | Code::Closed | Code::Internal | Code::InvalidConfig
    )
}

fn choose(described: DiscoverResult, written: &RawValue) -> Step {
    if described.supported_versions.contains(&DISCOVERED) {
        return Step::Agreed(Box::new(Described {
            version: DISCOVERED,
            capabilities: described.capabilities,
            instructions: described.instructions,
            raw_capabilities: object_in(written, &["capabilities"]),
            server_info: object_in(written, &["_meta", "io.modelcontextprotocol/serverInfo"]),
        }));
    }
    without(&described.supported_versions)
}

fn after_refusal(attempt: u32, error: &RpcError) -> Step {
    match i32::try_from(error.code).map(ErrorCode) {
        Ok(ErrorCode::UNSUPPORTED_PROTOCOL_VERSION) => {
            let supported = supported(error);
            if attempt == 1 && supported.contains(&DISCOVERED) {
                return Step::Discover(attempt + 1);
            }
            without(&supported)
        }
        // Only a server of this generation says so.
        Ok(ErrorCode::MISSING_REQUIRED_CLIENT_CAPABILITY | ErrorCode::HEADER_MISMATCH) => {
            Step::Failed(server_error(error))
        }
        _ => Step::Initialize,
    }
}

/// The versions that a server names in its refusal.
fn supported(error: &RpcError) -> Vec<ProtocolVersion> {
    #[derive(Deserialize)]
    struct Data {
        supported: Vec<ProtocolVersion>,
    }
    let data = error.data.as_deref().and_then(read::<Data>);
    data.map(|data| data.supported).unwrap_or_default()
}

/// For a server that speaks `supported`, and not the version of `server/discover`.
fn without(supported: &[ProtocolVersion]) -> Step {
    let is_older = |version| is_known(version) && version.has_initialize();
    if supported.is_empty() || supported.iter().any(is_older) {
        return Step::Initialize;
    }
    let versions: Vec<_> = supported.iter().map(ProtocolVersion::as_str).collect();
    let versions = versions.join(", ");
    invalid(format!(
        "The server speaks no protocol version in common with this client (it offers {versions})"
    ))
}

/// What follows the answer to an `initialize` that was sent first. A server of 2026-07-28 alone does not know the method, or
/// names the version that it speaks.
pub(super) fn after_first_initialize(answer: Result<Reply>) -> Step {
    if let Ok(Reply::Error(error)) = &answer {
        let is_modern = match error.code {
            METHOD_NOT_FOUND => true,
            UNSUPPORTED => supported(error).contains(&DISCOVERED),
            _ => false,
        };
        if is_modern {
            return Step::DiscoverInstead(server_error(error));
        }
    }
    after_initialize(answer)
}

/// What follows the answer to the `server/discover` that was sent instead of what was `refused`.
pub(super) fn after_discover_instead(refused: Error, answer: Result<Reply>) -> Step {
    match after_discover(2, answer) {
        Step::Initialize => Step::Failed(refused),
        step => step,
    }
}

/// What follows the answer to `initialize`.
pub(super) fn after_initialize(answer: Result<Reply>) -> Step {
    let written = match answer {
        Ok(Reply::Result(result)) => Some(result),
        Ok(Reply::Error(error)) => return Step::Failed(server_error(&error)),
        Ok(Reply::Empty) => None,
        Err(error) => return Step::Failed(error),
    };
    let described = written.and_then(|written| Some((read::<Initialized>(&written)?, written)));
    let Some((described, written)) = described else {
        return invalid("The server did not complete the MCP handshake as the protocol asks");
    };
    if !is_known(&described.protocol_version) {
        let version = described.protocol_version.as_str();
        return invalid(format!(
            "Server's protocol version is not supported: {version}"
        ));
    }
    Step::Agreed(Box::new(Described {
        version: described.protocol_version,
        capabilities: described.capabilities.unwrap_or_default(),
        instructions: described.instructions,
        raw_capabilities: object_in(&written, &["capabilities"]),
        server_info: object_in(&written, &["serverInfo"]),
    }))
}

/// What is needed of the answer to `initialize`. What servers say of themselves beside it may be missing or odd.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Initialized {
    protocol_version: ProtocolVersion,
    capabilities: Option<ServerCapabilities>,
    instructions: Option<String>,
}

/// What a handshake has failed with: where a server does not know `initialize`, what it refused `server/discover` with,
/// which may be that somebody has to authorize.
pub(super) fn blamed(refusal: Option<Error>, error: Error) -> Error {
    let is_unknown = matches!(
        error.code,
        Code::HttpStatus | Code::InvalidResponse | Code::ServerError
    );
    match refusal {
        Some(refusal) if is_unknown && refusal.wants_authorization() => refusal,
        _ => error,
    }
}

pub(super) fn is_known(version: &ProtocolVersion) -> bool {
    ProtocolVersion::KNOWN_VERSIONS.contains(version) || version.as_str() == OLDEST
}

fn invalid(message: impl Into<String>) -> Step {
    Step::Failed(Error::new(Code::InvalidResponse, message))
}

/// The object at the end of a path of members.
fn object_in(written: &RawValue, path: &[&str]) -> Option<Box<RawValue>> {
    let found = path
        .iter()
        .try_fold(written, |at, name| member(&members(at)?, name))?;
    found.get().starts_with('{').then(|| found.to_owned())
}

fn read<T: DeserializeOwned>(text: &RawValue) -> Option<T> {
    nesting::parse(text.get(), MAX_NESTING).ok()
}

#[cfg(test)]
mod tests;
