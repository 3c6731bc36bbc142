//! systemd credentials of tokend's own unit: `source = "credential:NAME"`.
//!
//! The service manager puts each into a file below `$CREDENTIALS_DIRECTORY`. Read for each use, since a
//! reload of the unit may replace them all. Who else may have access to such a file is decided in
//! [`FileSource`]. Not here: the root key, which `crates/vault` may take from a credential too.

use std::sync::Arc;

use broker_protocol::source::{Location, SourceSpec};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::file::FileSource;
use super::{Fetched, ReadError, Source, SourceContext, SourceError};

/// The credentials that tokend was started with.
pub(super) struct CredentialSource {
    pub(super) files: Arc<FileSource>,
}

impl Source for CredentialSource {
    fn scheme(&self) -> &'static str {
        "credential"
    }

    fn read<'a>(
        &'a self,
        place: &'a Location,
        _context: &'a dyn SourceContext,
    ) -> BoxFuture<'a, Result<Fetched, ReadError>> {
        async move {
            let name = place.name();
            let Some(path) = self.files.credential(name) else {
                let why = "systemd gave tokend no credentials ($CREDENTIALS_DIRECTORY is not set)";
                return Err(missing(why, name).into());
            };
            match self.files.read_at(&path).await {
                Ok(value) => Ok(value.into()),
                Err(SourceError::NoFile(_)) => {
                    let why = format!("systemd gave tokend no credential `{name}`");
                    Err(missing(&why, name).into())
                }
                Err(SourceError::NotAValue { fault, .. }) => {
                    let place = place.to_string().into();
                    Err(SourceError::NotAValue { place, fault }.into())
                }
                Err(error) => Err(error.into()),
            }
        }
        .boxed()
    }

    fn how_to_put(&self, place: &Location, value: &str) -> String {
        let name = place.name();
        format!(
            "put {value} into a file, alone, add `LoadCredential={name}:` and its path to tokend's unit \
             and run `systemctl restart tokend`"
        )
    }

    fn how_to_remove(&self, place: &Location, new: &SourceSpec) -> String {
        let name = place.name();
        let remove = format!(
            "remove the systemd credential {name} from tokend's unit, with the file that it is loaded from, and \
             run `systemctl restart tokend`"
        );
        match new.file() {
            Some(_) => format!("make sure that it is another file than {new}, and {remove}"),
            None => remove,
        }
    }
}

fn missing(why: &str, name: &str) -> SourceError {
    let text = format!(
        "{why}; add `LoadCredential={name}:/path` to tokend's unit and run: systemctl restart tokend"
    );
    SourceError::NoFile(text.into())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use super::*;
    use crate::tests::ManualContext;

    fn credentials(directory: Option<&Path>) -> CredentialSource {
        let files = Arc::new(FileSource::new(directory.map(Path::to_owned)));
        CredentialSource { files }
    }

    fn place(spec: &str) -> Location {
        match spec.parse().unwrap() {
            SourceSpec::Outside(place) => place,
            SourceSpec::Vault => panic!("{spec} is the vault"),
        }
    }

    async fn read(source: &CredentialSource, spec: &str) -> Result<String, SourceError> {
        let place = place(spec);
        let read = source.read(&place, &ManualContext::default()).await;
        read.map(|fetched| fetched.value.expose().to_owned())
            .map_err(|error| error.error)
    }

    fn put(path: &Path, text: &str, mode: u32) {
        drop(fs::remove_file(path));
        fs::write(path, text).unwrap();
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    /// 0400 in systemd's fallback, 0440 with an access list otherwise.
    #[tokio::test]
    async fn a_credential_is_read_for_each_use_as_systemd_makes_it() {
        let scratch = tempfile::tempdir().unwrap();
        let source = credentials(Some(scratch.path()));
        for (value, mode) in [("ghp_one", 0o400), ("ghp_two", 0o440)] {
            put(&scratch.path().join("a token"), &format!("{value}\n"), mode);
            let read = read(&source, "credential:a token").await;
            assert_eq!(read, Ok(value.to_owned()));
        }
    }

    #[tokio::test]
    async fn one_that_is_missing_is_named_with_the_line_that_the_unit_lacks() {
        let scratch = tempfile::tempdir().unwrap();
        let lacks =
            "add `LoadCredential=site:/path` to tokend's unit and run: systemctl restart tokend";
        for (directory, why) in [
            (None, "$CREDENTIALS_DIRECTORY is not set"),
            (Some(scratch.path()), "no credential `site`"),
        ] {
            let error = read(&credentials(directory), "credential:site").await;
            let error = error.unwrap_err();
            assert!(error.is_absent(), "a move may put it there: {error}");
            let text = error.to_string();
            assert!(text.contains(why) && text.ends_with(lacks), "{text}");
        }
    }

    #[tokio::test]
    async fn one_that_cannot_be_used_is_refused_as_a_file_is() {
        let scratch = tempfile::tempdir().unwrap();
        let source = credentials(Some(scratch.path()));
        let path = scratch.path().join("site");
        put(&path, "ghp_one", 0o462);
        let open = read(&source, "credential:site").await.unwrap_err();
        assert!(open.to_string().contains("others may write"), "{open}");
        put(&path, "", 0o400);
        let empty = read(&source, "credential:site").await.unwrap_err();
        assert_eq!(
            empty.to_string(),
            "credential:site is empty; put the value there, alone"
        );
        // Of a link out of the directory, the owner and mode of its target count.
        fs::remove_file(&path).unwrap();
        let outside = tempfile::tempdir().unwrap();
        put(&outside.path().join("token"), "ghp_one", 0o440);
        std::os::unix::fs::symlink(outside.path().join("token"), &path).unwrap();
        let open = read(&source, "credential:site").await.unwrap_err();
        assert!(open.to_string().contains("chmod 0600"), "{open}");
    }

    #[test]
    fn an_operator_is_told_how_to_put_one_there_and_how_to_remove_it() {
        let source = credentials(None);
        let site = place("credential:site");
        assert!(!source.can_write());
        let put = source.how_to_put(&site, "the value");
        assert!(put.contains("`LoadCredential=site:`"), "{put}");
        let remove = |new: &str| source.how_to_remove(&site, &new.parse().unwrap());
        assert!(remove("vault").starts_with("remove the systemd credential site"));
        let same = remove("file:/run/credentials/tokend.service/site");
        assert!(same.starts_with("make sure that it is another file"));
        let file = place("file:/run/credentials/tokend.service/site");
        let same = (source.files).how_to_remove(&file, &"credential:site".parse().unwrap());
        assert!(same.starts_with("make sure that it is another file"));
    }
}
