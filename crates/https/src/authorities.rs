//! A file of certificate authorities.

use std::io::Read as _;
use std::path::Path;

use broker_protocol::whole_file;
use reqwest::Certificate;

use super::pool::CannotBuild;

/// What is in a file of certificates, and the certificates. Blocks for as long as the disk does.
///
/// # Errors
///
/// [`CannotBuild::Authorities`], without a word of what names the file.
pub fn authorities(path: &Path) -> Result<(Vec<u8>, Vec<Certificate>), CannotBuild> {
    let refuse = |why: String| {
        let path = path.display();
        CannotBuild::Authorities(format!("{path}: {why}").into())
    };
    let mut pem = Vec::new();
    whole_file::open_to_read(path)
        .and_then(|file| file.take(MOST_AUTHORITIES + 1).read_to_end(&mut pem))
        .map_err(|error| refuse(error.to_string()))?;
    if pem.len() as u64 > MOST_AUTHORITIES {
        return Err(refuse("is larger than 8 MiB".to_owned()));
    }
    let found = Certificate::from_pem_bundle(&pem)
        .map_err(|_cause| refuse("is not a list of certificates in PEM".to_owned()))?;
    if found.is_empty() {
        return Err(refuse("holds no certificate in PEM".to_owned()));
    }
    Ok((pem, found))
}

/// A system's whole list of authorities takes a quarter of a MiB.
const MOST_AUTHORITIES: u64 = 8 * 1024 * 1024;
