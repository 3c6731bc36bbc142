//! Where a new vault's root key is kept: as asked, or the keyring if one answers, else a key file.

use std::fs;

use broker_private_files::PrivateError;
use broker_protocol::paths::Paths;
use broker_vault::root_key::{RootKey, RootKeyError, RootKeySource, Wrap, make_file};

use super::{InitError, InitOptions, PassphraseFor, ask, key_locations};
use crate::commands::make_or_check;

/// A root key that is kept where `source` will look for it.
pub(super) struct Chosen {
    pub(super) root: RootKey,
    pub(super) source: RootKeySource,
    pub(super) passphrase: Option<Wrap>,
    pub(super) made: bool,
    /// Why this source was chosen, if the options do not name one.
    pub(super) because: Option<String>,
}

impl Chosen {
    const fn new(root: RootKey, source: RootKeySource) -> Self {
        Self {
            root,
            source,
            passphrase: None,
            made: true,
            because: None,
        }
    }
}

pub(super) fn choose_key(
    places: &Paths,
    options: &InitOptions<'_>,
    id: &str,
) -> Result<Chosen, InitError> {
    match &options.root_key {
        Some(RootKeySource::File) => key_file(places, None),
        Some(RootKeySource::Keyring) => in_keyring(options, id).map_err(InitError::from),
        Some(RootKeySource::Passphrase) => {
            let typed = ask(options, PassphraseFor::New)?.ok_or(InitError::NoPassphrase)?;
            let root = RootKey::generate()?;
            let passphrase = Some(Wrap::make(&root, id, &typed)?);
            let chosen = Chosen::new(root, RootKeySource::Passphrase);
            Ok(Chosen {
                passphrase,
                ..chosen
            })
        }
        Some(source @ RootKeySource::Credential(_)) => {
            let root = source.fetch(id, 1, &key_locations(places, options))?;
            Ok(Chosen::new(root, source.clone()))
        }
        None => {
            if fs::exists(&places.root_key).map_err(PrivateError::io(&places.root_key))? {
                return key_file(places, Some("it was there".to_owned()));
            }
            match (options.keyring.probe)().and_then(|()| in_keyring(options, id)) {
                Ok(chosen) => Ok(Chosen {
                    because: Some("a keyring answers".to_owned()),
                    ..chosen
                }),
                // A fall-back, and never a silent one: the report gives the reason.
                Err(why) => key_file(places, Some(no_keyring(why))),
            }
        }
    }
}

/// The reason alone, in an operator's terms: the hint in the message is for a vault whose key is in the keyring,
/// and what the bus says is for `--root-key keyring`.
fn no_keyring(why: RootKeyError) -> String {
    match why {
        RootKeyError::NoKeyring(_) => "no desktop keyring runs for this account".to_owned(),
        RootKeyError::KeyringRefuses(why) => format!("the keyring refuses: {why}"),
        RootKeyError::KeyringSilent(limit) => {
            format!("the keyring did not answer within {limit} s")
        }
        other => other.to_string(),
    }
}

fn key_file(places: &Paths, because: Option<String>) -> Result<Chosen, InitError> {
    if let Some(directory) = places.root_key.parent() {
        make_or_check(directory)?;
    }
    let (root, made) = make_file(&places.root_key)?;
    Ok(Chosen {
        made,
        because,
        ..Chosen::new(root, RootKeySource::File)
    })
}

fn in_keyring(options: &InitOptions<'_>, id: &str) -> Result<Chosen, RootKeyError> {
    let root = RootKey::generate()?;
    (options.keyring.keep)(id, &root)?;
    Ok(Chosen::new(root, RootKeySource::Keyring))
}
