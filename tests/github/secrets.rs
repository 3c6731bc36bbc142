//! Secrets of repositories, organisations and environments, each place with a key pair of its own.
//!
//! A value arrives in a sealed box; it is opened here, so that a test can ask what arrived. GitHub
//! itself never tells a value again.

use std::collections::{BTreeMap, BTreeSet};

use crypto_box::SecretKey;
use jiff::Timestamp;

use super::tokens::random_bytes;

/// Where a secret is stored: kind and place, as in the path, lower case.
///
/// `actions repos/acme/site`, `actions repos/acme/site/environments/prod`, `codespaces orgs/acme`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(String);

impl Place {
    /// A repository's, `owner/name`; the kind is `actions`, `dependabot` or `codespaces`.
    #[must_use]
    pub fn repository(kind: &str, full_name: &str) -> Self {
        Self(format!("{kind} repos/{full_name}").to_lowercase())
    }

    /// An organisation's.
    #[must_use]
    pub fn organization(kind: &str, login: &str) -> Self {
        Self(format!("{kind} orgs/{login}").to_lowercase())
    }

    /// An environment's; these are of Actions alone.
    #[must_use]
    pub fn environment(full_name: &str, environment: &str) -> Self {
        Self(format!(
            "actions repos/{}/environments/{environment}",
            full_name.to_lowercase()
        ))
    }
}

/// A secret as it arrived.
#[derive(Clone)]
pub struct Stored {
    /// What was in the sealed box.
    pub value: Vec<u8>,
    /// The sealed box itself.
    pub sealed: Vec<u8>,
    /// First put.
    pub created: Timestamp,
    /// Last put.
    pub updated: Timestamp,
    /// Of an organisation's secret: `all`, `private` or `selected`.
    pub visibility: Option<String>,
    /// With `selected`.
    pub selected: BTreeSet<u64>,
}

/// All places.
#[derive(Default)]
pub struct SecretStores {
    stores: BTreeMap<Place, Store>,
}

/// One place.
pub(crate) struct Store {
    pub(crate) key_id: String,
    pub(crate) key: SecretKey,
    pub(crate) secrets: BTreeMap<String, Stored>,
}

impl SecretStores {
    /// The secret of this name.
    #[must_use]
    pub fn of(&self, place: &Place, name: &str) -> Option<&Stored> {
        self.stores.get(place)?.secrets.get(&name.to_uppercase())
    }

    /// Puts a secret there by hand.
    pub fn put(&mut self, place: &Place, name: &str, stored: Stored) {
        self.at(place).secrets.insert(name.to_uppercase(), stored);
    }

    /// The private key of a place, for another implementation to open boxes with.
    #[must_use]
    pub fn private_key(&mut self, place: &Place) -> [u8; 32] {
        self.at(place).key.to_bytes()
    }

    /// The place gets another key pair: what was sealed for the old one is refused.
    pub fn change_key(&mut self, place: &Place) {
        let (key_id, key) = new_key();
        let store = self.at(place);
        (store.key_id, store.key) = (key_id, key);
    }

    pub(crate) fn at(&mut self, place: &Place) -> &mut Store {
        self.stores.entry(place.clone()).or_insert_with(|| {
            let (key_id, key) = new_key();
            Store {
                key_id,
                key,
                secrets: BTreeMap::new(),
            }
        })
    }
}

fn new_key() -> (String, SecretKey) {
    let bytes: [u8; 32] = random_bytes(32).try_into().unwrap();
    let digits = random_bytes(19).into_iter();
    let id = digits.map(|byte| char::from(b'0' + byte % 10)).collect();
    (id, SecretKey::from(bytes))
}
