//! How the slow places themselves are asked: the keyring, and 1Password in the way that configuration
//! names.

use broker_policy::SourceSpec;
use broker_policy::field_reference::FieldReference;
use broker_secret_memory::token::AccessToken;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::fetched::Fetched;
use super::keyring::KeyringSource;
use super::one_password::{Connect, OnePasswordError, Op, ServiceLimit};
use super::{Ask, SourceError};

/// The slow places, as they are.
pub struct Desk {
    one_password: OnePassword,
    keyring: KeyringSource,
}

/// What 1Password is asked through.
pub enum OnePassword {
    /// 1Password's program.
    Op(Op),
    /// A Connect server.
    Connect(Box<Connect>),
}

impl Desk {
    /// Asks nothing yet.
    #[must_use]
    pub fn new(one_password: OnePassword) -> Self {
        Self {
            one_password,
            keyring: KeyringSource,
        }
    }
}

impl Ask for Desk {
    fn read<'a>(
        &'a self,
        source: &'a SourceSpec,
        token: Option<&'a AccessToken>,
    ) -> BoxFuture<'a, Result<Fetched, SourceError>> {
        async move {
            match source {
                SourceSpec::Vault | SourceSpec::Env(_) | SourceSpec::File(_) => {
                    Err(SourceError::NotHere)
                }
                SourceSpec::Keyring(name) => {
                    let read = self.keyring.read(name).await;
                    read.map_err(SourceError::Keyring)
                }
                SourceSpec::OnePassword(reference) => {
                    let read = match &self.one_password {
                        OnePassword::Op(op) => op.read(reference, token).await,
                        OnePassword::Connect(connect) => match token {
                            Some(token) => connect.read(reference, token).await,
                            None => Err(OnePasswordError::Unauthenticated),
                        },
                    };
                    read.map_err(|cause| of_1password(reference, cause))
                }
            }
        }
        .boxed()
    }

    fn limits<'a>(
        &'a self,
        token: Option<&'a AccessToken>,
    ) -> BoxFuture<'a, Result<Vec<ServiceLimit>, SourceError>> {
        async move {
            let said = match (&self.one_password, token) {
                (OnePassword::Op(op), Some(token)) => op.limits(token).await,
                // The desktop app has none that are known.
                (OnePassword::Op(_), None) => Ok(Vec::new()),
                // Nor has Connect, which is asked whether it is well.
                (OnePassword::Connect(connect), Some(token)) => {
                    connect.probe(token).await.map(|_well| Vec::new())
                }
                (OnePassword::Connect(_), None) => Err(OnePasswordError::Unauthenticated),
            };
            said.map_err(|cause| SourceError::OnePassword {
                place: "1Password".into(),
                cause,
            })
        }
        .boxed()
    }

    fn can_write(&self, source: &SourceSpec) -> bool {
        match source {
            SourceSpec::Vault | SourceSpec::Env(_) | SourceSpec::File(_) => false,
            SourceSpec::Keyring(_) => true,
            SourceSpec::OnePassword(_) => match &self.one_password {
                // On its command line a value would be there for others to read: a person does it.
                OnePassword::Op(_) => false,
                OnePassword::Connect(_) => true,
            },
        }
    }

    fn write<'a>(
        &'a self,
        source: &'a SourceSpec,
        value: &'a AccessToken,
        token: Option<&'a AccessToken>,
    ) -> BoxFuture<'a, Result<(), SourceError>> {
        async move {
            match (source, &self.one_password) {
                (SourceSpec::Keyring(name), _) => {
                    let written = self.keyring.write(name, value).await;
                    written.map_err(SourceError::Keyring)
                }
                (SourceSpec::OnePassword(reference), OnePassword::Connect(connect)) => {
                    let token = token.ok_or(OnePasswordError::Unauthenticated);
                    let written = match token {
                        Ok(token) => connect.write(reference, value, token).await,
                        Err(error) => Err(error),
                    };
                    written.map_err(|cause| of_1password(reference, cause))
                }
                _ => Err(SourceError::NotHere),
            }
        }
        .boxed()
    }

    fn remove<'a>(
        &'a self,
        source: &'a SourceSpec,
        token: Option<&'a AccessToken>,
    ) -> BoxFuture<'a, Result<(), SourceError>> {
        async move {
            match (source, &self.one_password) {
                (SourceSpec::Keyring(name), _) => {
                    let removed = self.keyring.remove(name).await;
                    removed.map_err(SourceError::Keyring)
                }
                (SourceSpec::OnePassword(reference), OnePassword::Connect(connect)) => {
                    let token = token.ok_or(OnePasswordError::Unauthenticated);
                    let removed = match token {
                        Ok(token) => connect.remove(reference, token).await,
                        Err(error) => Err(error),
                    };
                    removed.map_err(|cause| of_1password(reference, cause))
                }
                _ => Err(SourceError::NotHere),
            }
        }
        .boxed()
    }

    fn cost(&self, source: &SourceSpec) -> u32 {
        match (source, &self.one_password) {
            (SourceSpec::OnePassword(reference), OnePassword::Op(op)) => op.cost(reference),
            _ => 0,
        }
    }
}

fn of_1password(reference: &FieldReference, cause: OnePasswordError) -> SourceError {
    SourceError::OnePassword {
        place: reference.to_string().into(),
        cause,
    }
}
