//! What a host's `LibreChat` does otherwise than an older one: how it calls a user's flow, and how long that is good for.

use std::sync::Arc;
use std::time::Duration;

use super::authorizer::Authorizer;
use super::fence::Beside;
use super::flow_id;
use super::host_lock::HostLock;
use super::leases::{Holder, Leases};
use super::redemption::mark_rejected;
use crate::abilities::Abilities;
use crate::error::Result;
use crate::host::tenant_of;
use crate::secret::Secret;

impl Authorizer {
    /// The tenant of the call.
    pub(super) async fn tenant_id(&self) -> Result<Option<String>> {
        tenant_of(self.0.host.tenancy.as_deref()).await
    }

    /// How the host calls the user's flow; since August 2026 by the tenant, too.
    pub(super) async fn flow_id(&self) -> Result<&str> {
        let (inner, relation) = (&self.0, &self.0.relation);
        let named = inner.flow_id.get_or_try_init(async || {
            let tenant_id = match self.tenant_id().await? {
                Some(tenant_id) if self.abilities().await.is_current() => Some(tenant_id),
                _ => None,
            };
            let (user_id, server_name) = (&relation.user_id, &relation.server_name);
            Ok(flow_id(user_id, server_name, tenant_id.as_deref()))
        });
        named.await.map(String::as_str)
    }

    /// The leases on the user's tokens, where the host has some.
    pub(super) async fn leases(&self) -> Result<Option<&Leases>> {
        let inner = &self.0;
        let found = inner.leases.get_or_try_init(async || {
            if !inner.flows.has_leases().await? {
                return Ok(None);
            }
            let (tenant_id, relation) = (self.tenant_id().await?, &inner.relation);
            let holder = Holder {
                tenant_id: tenant_id.as_deref(),
                user_id: &relation.user_id,
                server_name: &relation.server_name,
                prefix: &inner.prefix,
            };
            let logger = inner.host.logger.clone();
            let flows = Arc::clone(&inner.flows);
            let leases = Leases::new(flows, &holder, relation.coordination, logger);
            Ok(Some(leases.ending_with(inner.oauth.closing.clone())))
        });
        found.await.map(Option::as_ref)
    }

    /// The host's lock, where it keeps refreshes apart and not these leases.
    pub(super) async fn beside(&self, leases: &Leases) -> Result<Option<Beside<'_>>> {
        match self.host_lock().filter(|_| !leases.coordinate()) {
            Some(lock) => Ok(Some(Beside {
                lock,
                standing: &self.0.oauth.leases,
                flow_id: self.flow_id().await?,
            })),
            None => Ok(None),
        }
    }

    pub(super) fn host_lock(&self) -> Option<HostLock<'_>> {
        let inner = &self.0;
        inner.host.lock.as_ref().map(|lock| HostLock {
            lock,
            standing: &inner.oauth.lock,
            answers: &inner.oauth.lock_answers,
            logger: &inner.host.logger,
        })
    }

    /// Notes that the server has refused this token: whoever has no other is not signed in.
    pub(super) async fn note_refusal(&self, refused: &Secret, leases: &Leases) {
        if let Ok(Some(beside)) = self.beside(leases).await
            && beside.ask(leases).await.is_none()
        {
            return;
        }
        let (storage, logger) = (&self.0.storage, &self.0.host.logger);
        let stored = storage.access().await.ok().flatten();
        let stored = stored.filter(|stored| stored.token == *refused);
        if let Some(set) = stored.and_then(|stored| stored.credential_set_id) {
            mark_rejected(storage, Some(leases), &set, logger).await;
        }
    }

    /// How long a user has to authorize.
    pub async fn authorization_time(&self) -> Duration {
        let settings = &self.0.relation.settings;
        match settings.oauth_handling_timeout {
            Some(time) => time,
            None => settings.authorization_time(self.abilities().await),
        }
    }

    async fn abilities(&self) -> Abilities {
        let abilities = self.0.host.registry.abilities().await;
        abilities.unwrap_or_else(|error| {
            let (prefix, logger) = (&self.0.prefix, &self.0.host.logger);
            logger.warn(format!(
                "{prefix} The host's registry cannot be asked: {error}"
            ));
            Abilities::default()
        })
    }
}
