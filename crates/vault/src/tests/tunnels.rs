//! Certificates of tunnels in the vault.

use super::*;

const KEY: &str = "-----BEGIN PRIVATE KEY-----\nCANARYofatunnel\n-----END PRIVATE KEY-----\n";

async fn kept(vault: &Vault, lease: &LeaseId) -> Option<String> {
    let kept = vault.tunnel(lease).await.unwrap();
    kept.map(|text| text.to_string())
}

#[tokio::test]
async fn a_certificate_is_there_after_a_restart_until_it_is_forgotten_and_never_in_the_clear() {
    let scratch = Scratch::new();
    let vault = scratch.unlocked();
    vault.keep_tunnel(&lease(1), KEY).await.unwrap();
    vault.keep_tunnel(&lease(2), "other").await.unwrap();
    drop(vault);
    assert!(!scratch.holds(b"CANARYofatunnel"));

    let vault = scratch.open();
    let refused = vault.tunnel(&lease(1)).await.unwrap_err();
    assert!(matches!(refused, VaultError::Locked), "{refused}");
    let refused = vault.keep_tunnel(&lease(3), KEY).await.unwrap_err();
    assert!(matches!(refused, VaultError::Locked), "{refused}");
    vault.unlock(scratch.root.copy().unwrap()).unwrap();
    assert_eq!(kept(&vault, &lease(1)).await.as_deref(), Some(KEY));
    assert_eq!(kept(&vault, &lease(3)).await, None);

    vault.lock();
    vault
        .forget_tunnels(vec![lease(1), lease(3)])
        .await
        .unwrap();
    assert_eq!(vault.leases_with_tunnels().await.unwrap(), [lease(2)]);
    vault.unlock(scratch.root.copy().unwrap()).unwrap();
    assert_eq!(kept(&vault, &lease(1)).await, None);
    assert_eq!(kept(&vault, &lease(2)).await.as_deref(), Some("other"));
}

#[tokio::test]
async fn a_certificate_opens_for_its_own_lease_alone() {
    let scratch = Scratch::new();
    let vault = scratch.unlocked();
    vault.keep_tunnel(&lease(1), KEY).await.unwrap();
    drop(vault);
    let (one, other) = (lease(1), lease(2));
    scratch.edit(&format!(
        "UPDATE tunnel SET lease = '{other}' WHERE lease = '{one}'"
    ));
    let vault = scratch.unlocked();
    assert_eq!(kept(&vault, &other).await, None);
    drop(vault);
    scratch.edit("INSERT INTO tunnel VALUES ('no lease', x'00')");
    let vault = scratch.unlocked();
    assert_eq!(vault.leases_with_tunnels().await.unwrap(), [other]);
}

#[tokio::test]
async fn a_vault_of_format_5_learns_to_keep_certificates() {
    let scratch = Scratch::new();
    drop(set(&scratch.unlocked(), "source-pat", CANARY).await);
    scratch.edit("DROP TABLE tunnel; PRAGMA user_version = 5");
    let vault = scratch.unlocked();
    vault.keep_tunnel(&lease(1), KEY).await.unwrap();
    assert_eq!(kept(&vault, &lease(1)).await.as_deref(), Some(KEY));
}
