//! Puts policies in force, all or none.

use broker_audit::record::PolicyEvent;
use broker_policy::Caller;
use broker_protocol::api::Reloaded;

use crate::lease_record;
use crate::operations::Operations;
use crate::secrets::UpkeepError;

impl Operations {
    /// Reads the policies again and puts them in force, all or none. `by` is the operator who asks for it; `None`: the
    /// signal.
    ///
    /// # Errors
    ///
    /// [`UpkeepError::Policies`]: the set in force stays in force, loudly.
    pub(crate) async fn reload_policies(
        &self,
        by: Option<&Caller>,
    ) -> Result<Reloaded, UpkeepError> {
        let on = by.is_none().then_some("SIGHUP");
        let _one_at_a_time = self.reloading.lock().await;
        let loaded = self.policies.load_again().await;
        let loaded = match loaded.map_err(|panic| UpkeepError::Broken("the policies", panic))? {
            Ok(loaded) => loaded,
            Err(error) => {
                let why = error.to_string();
                let refused = PolicyEvent::Refused {
                    by: by.map(lease_record::caller),
                    on,
                    why: &why,
                };
                self.journal.record_or_trace(&refused).await;
                tracing::error!(cause = %why, "the policies were refused; the old ones stay in force");
                self.policies.note_fault(Some(why));
                return Err(UpkeepError::Policies(error));
            }
        };
        let event = PolicyEvent::Loaded {
            by: by.map(lease_record::caller),
            on,
            files: &loaded.files,
        };
        self.journal.record(&event).await?;
        let answer = Reloaded {
            files: loaded.files.clone(),
            purposes: loaded.set.purposes().count() as u64,
            revoked: Vec::new(),
            warnings: (loaded.set.warnings().iter())
                .chain(&loaded.table_warnings)
                .map(ToString::to_string)
                .collect(),
        };
        self.sources.file.set_mounted(loaded.set.mounted_files());
        let named = loaded.set.sources();
        self.sources.load(named, &*self.secrets).await;
        self.policies.replace(loaded, self.journal.now().wall);
        self.secrets.forget_unnamed_source_values().await;
        // While locked no lease is honoured; the unlock evaluates them.
        let revoked = self.leases.evaluate_leases().await;
        Ok(Reloaded { revoked, ..answer })
    }
}
