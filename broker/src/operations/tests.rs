//! What operators do, in process.

use crate::app::scratch::{CALLER, Scratch, bot, caller, request};
use crate::leases::issue::LeaseOptions;
use crate::secrets::UpkeepError;

const VALUE: &str = "ghp_CANARYcanaryCANARYcanaryCANARYcanary1";

async fn with_a_lease() -> Scratch {
    let scratch = Scratch::new("");
    scratch.set(VALUE).await;
    let options = LeaseOptions::default();
    let issued = scratch.app.leases.issue(request(CALLER), options).await;
    assert!(issued.is_ok());
    scratch
}

#[tokio::test]
async fn a_secret_that_is_removed_takes_its_leases_with_it() {
    let scratch = with_a_lease().await;
    let by = caller(0);
    let removed = scratch.app.operations.remove_secret(&by, &bot()).await;
    removed.unwrap();
    assert!(scratch.app.vault.held(&bot()).is_none());
    assert!(scratch.app.leases.list(None).is_empty());
    let recorded = scratch.recorded();
    let place = |kind: &str| recorded.iter().position(|one| one == kind).unwrap();
    assert!(place("secret.removed") < place("lease.revoked"));
    let again = scratch.app.operations.remove_secret(&by, &bot()).await;
    assert!(again.is_err());
}

#[tokio::test]
async fn the_kill_switch_locks_and_ends_every_lease_and_names_who_holds_a_value() {
    let scratch = with_a_lease().await;
    let ended = scratch.app.operations.lock_and_revoke(&caller(0)).await;
    assert!(ended.recorded);
    assert_eq!(ended.leases.len(), 1);
    assert_eq!(ended.raw.first().map(|raw| raw.uid), Some(CALLER));
    assert!(scratch.app.vault.is_locked());
    assert!(scratch.app.leases.list(None).is_empty());
    let scratch = scratch.started_again();
    scratch.unlock();
    scratch.app.operations.resume().await;
    assert!(scratch.app.leases.list(None).is_empty(), "for good");
}

#[tokio::test]
async fn policies_that_are_refused_leave_those_in_force_and_their_fault_is_told() {
    let scratch = with_a_lease().await;
    let operations = &scratch.app.operations;
    scratch.policy("broken.toml", "purpose = ");
    let refused = operations.reload_policies(None).await;
    assert!(matches!(refused, Err(UpkeepError::Policies(_))));
    assert_eq!(scratch.recorded().last().unwrap(), "policy.refused");
    assert!(scratch.app.policies.fault().is_some());
    assert_eq!(scratch.app.leases.list(None).len(), 1);
    scratch.policy("broken.toml", "[secret.other]\nkind = 'classic'\n");
    operations.reload_policies(None).await.unwrap();
    assert_eq!(scratch.app.policies.fault(), None);
}

#[tokio::test]
async fn a_lease_that_new_policies_no_longer_allow_is_revoked_with_the_reload() {
    let scratch = with_a_lease().await;
    scratch.policy(
        "p.toml",
        "purpose = 'sync'\nsecret = 'bot'\ndeliver = 'raw'\nrepositories = ['acme/*']\n\
         permissions = { issues = 'write' }\nttl = { default = '15m' }\n\
         [[allow]]\ncaller = { uid = 1 }\n",
    );
    let reloaded = scratch.app.operations.reload_policies(None).await.unwrap();
    assert_eq!(reloaded.revoked.len(), 1);
    assert!(scratch.app.leases.list(None).is_empty());
}
