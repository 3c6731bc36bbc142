//! Values in files: `source = "file:PATH"`, such as a secret that a deployment mounts.
//!
//! Read anew for each use, so that a file that is replaced is taken at once. It must belong to the
//! broker's account and be closed to all others.

use std::path::Path;

use super::SourceError;
use super::value::{self, value_of};
use crate::private;
use crate::token::AccessToken;

/// Blocks for as long as the disk does.
pub(super) fn read(path: &Path) -> Result<AccessToken, SourceError> {
    let bytes =
        private::read(path, value::LONGEST).map_err(|error| match error.is_not_found() {
            true => SourceError::NoFile(error.to_string().into()),
            false => SourceError::File(error.to_string().into()),
        })?;
    value_of(bytes).map_err(|fault| SourceError::NotAValue {
        place: path.display().to_string().into(),
        fault,
    })
}
