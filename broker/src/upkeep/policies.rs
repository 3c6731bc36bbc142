//! Puts policies in force, all or none.

use std::sync::{Arc, PoisonError};

use broker_audit::record::Event;
use broker_protocol::api::Reloaded;

use super::UpkeepError;
use crate::broker::{Broker, InForce};
use crate::load::load;

impl Broker {
    /// Reads the policies again and puts them in force, all or none.
    ///
    /// # Errors
    ///
    /// [`UpkeepError::Policies`]: the set in force stays in force, loudly.
    pub async fn reload_policies(&self) -> Result<Reloaded, UpkeepError> {
        let _one_at_a_time = self.reloading.lock().await;
        // Files, and account names that a directory service may have to be asked for.
        let (directory, host) = (self.places.policies.clone(), self.config.host(&self.places));
        let loaded = tokio::task::spawn_blocking(move || load(&directory, &host)).await;
        let loaded = match loaded.map_err(|panic| UpkeepError::Broken("the policies", panic))? {
            Ok(loaded) => loaded,
            Err(error) => {
                let why = error.to_string();
                self.journal
                    .record_or_trace(&Event::PolicyRefused { why: &why })
                    .await;
                tracing::error!(cause = %why, "the policies were refused; the old ones stay in force");
                *self
                    .policy_fault
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner) = Some(why);
                return Err(UpkeepError::Policies(error));
            }
        };
        let files = &loaded.files;
        self.journal.record(&Event::PolicyLoaded { files }).await?;
        let answer = Reloaded {
            files: loaded.files.clone(),
            purposes: loaded.set.purposes().count() as u64,
            revoked: Vec::new(),
            warnings: (loaded.set.warnings().iter())
                .chain(&loaded.table_warnings)
                .map(ToString::to_string)
                .collect(),
        };
        let (sources, named) = (Arc::clone(&self.sources), loaded.set.sources().cloned());
        let named: Vec<_> = named.collect();
        let mounted = loaded.set.mounted_files();
        let look = move || {
            sources.expect_mounted(mounted);
            sources.look_at(&named);
        };
        let looking = tokio::task::spawn_blocking(look).await;
        looking.map_err(|panic| UpkeepError::Broken("the places of secrets", panic))?;
        let in_force = InForce::since(self.journal.now().wall, loaded);
        *self
            .policies
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(in_force);
        *self
            .policy_fault
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = None;
        self.forget_unnamed_source_values().await;
        // While locked no lease is honoured; the unlock judges them.
        let revoked = self.judge_leases().await;
        Ok(Reloaded { revoked, ..answer })
    }
}
