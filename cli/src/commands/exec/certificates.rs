//! The certificates of authorities that the command's clients trust.
//!
//! A client that is told of a file no longer reads its own. So the file holds all that the client would have
//! trusted: the system's, and those of the files that the environment named. And those that are new: the
//! authorities of the tunnels, one for each lease, which can certify nothing more.
//!
//! All variables name this one file. So a variable that named fewer authorities than the system's, to trust no
//! other, does not limit a client to them under `exec`.
//!
//! Only certificates are copied. A named file may hold a private key too.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::Failure;

/// Where clients look: OpenSSL and Go, Python's requests, curl, Node, git.
pub(super) const VARIABLES: [&str; 5] = [
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "GIT_SSL_CAINFO",
];

/// Where distributions keep those of the system; the first that is there counts.
pub(super) const SYSTEM: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt", // Debian, Alpine, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",   // Fedora
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // Fedora since 42
    "/etc/ssl/ca-bundle.pem",             // SUSE
    "/etc/ssl/certs/ca-bundle.crt",       // NixOS
    "/etc/ssl/cert.pem",                  // Alpine without ca-certificates
];

/// Certificates in PEM, each once.
#[derive(Default)]
pub(super) struct Certificates {
    text: Vec<u8>,
    /// Their contents, without line breaks.
    known: HashSet<Vec<u8>>,
}

impl Certificates {
    /// Reads those of the system and of the files and directories that the variables name.
    pub(super) fn read(
        system: &[&str],
        env: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Self, Failure> {
        let mut all = Self::default();
        for path in system {
            // Readable by all where it is there.
            if let Ok(file) = fs::read(path) {
                all.add(&file);
                break;
            }
        }
        let mut read = HashSet::new();
        for variable in VARIABLES {
            let Some(path) = env(variable).filter(|path| !path.is_empty()) else {
                continue;
            };
            if read.insert(path.clone()) {
                let hint =
                    format!("correct it, or do without: `env -u {variable} tokenctl exec …`");
                let found = all.add_named(Path::new(&path)).map_err(|(path, error)| {
                    let path = path.display();
                    let what = format!("cannot read {path}, which `{variable}` names: {error}");
                    Failure::with_hint(what, hint.clone())
                })?;
                if found == 0 {
                    let path = Path::new(&path).display();
                    let what =
                        format!("{path}, which `{variable}` names, holds no certificate in PEM");
                    return Err(Failure::with_hint(what, hint));
                }
            }
        }
        Ok(all)
    }

    /// The text with more in front: some clients take the first for the most likely. `None` if one of them is no
    /// certificate.
    pub(super) fn after(&self, authorities: &[String]) -> Option<Vec<u8>> {
        let mut all = Self::default();
        for authority in authorities {
            if all.add(authority.as_bytes()) == 0 {
                return None;
            }
        }
        all.text.extend_from_slice(&self.text);
        Some(all.text)
    }

    /// Adds the certificates of a file, or of all files of a directory; returns how many it holds.
    fn add_named(&mut self, path: &Path) -> Result<usize, (PathBuf, io::Error)> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            |error| (path, error)
        };
        if !fs::metadata(path).map_err(failed(path))?.is_dir() {
            return Ok(self.add(&fs::read(path).map_err(failed(path))?));
        }
        let mut files = Vec::new();
        for entry in fs::read_dir(path).map_err(failed(path))? {
            files.push(entry.map_err(failed(path))?.path());
        }
        files.sort();
        let mut found = 0;
        for file in files {
            // Links that lead nowhere are usual there.
            if fs::metadata(&file).is_ok_and(|metadata| metadata.is_file()) {
                found += self.add(&fs::read(&file).map_err(failed(&file))?);
            }
        }
        Ok(found)
    }

    /// Adds what is between the lines of certificates; returns how many there are, known ones too.
    fn add(&mut self, pem: &[u8]) -> usize {
        let mut found = 0;
        let mut inside: Option<Vec<&[u8]>> = None;
        for line in pem.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii) {
            match (line, &mut inside) {
                (BEGIN, _) => inside = Some(Vec::new()),
                (END, Some(lines)) => {
                    found += usize::from(!lines.is_empty());
                    if !lines.is_empty() && self.known.insert(lines.concat()) {
                        self.text.extend_from_slice(BEGIN);
                        self.text.push(b'\n');
                        for line in lines {
                            self.text.extend_from_slice(line);
                            self.text.push(b'\n');
                        }
                        self.text.extend_from_slice(END);
                        self.text.push(b'\n');
                    }
                    inside = None;
                }
                (b"", _) => {}
                (line, Some(lines)) if line.iter().all(is_base64) => lines.push(line),
                _ => inside = None,
            }
        }
        found
    }
}

fn is_base64(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/=".contains(byte)
}

const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
const END: &[u8] = b"-----END CERTIFICATE-----";

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn pem(body: &str) -> String {
        format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
    }

    fn read(system: &[&str], variables: &[(&str, &Path)]) -> Result<String, Failure> {
        let env = |name: &str| {
            let variable = variables.iter().find(|(known, _)| *known == name);
            variable.map(|(_, path)| OsString::from(path))
        };
        let read = Certificates::read(system, &env)?;
        Ok(String::from_utf8(read.text).unwrap())
    }

    #[test]
    fn each_certificate_is_there_once_and_nothing_else_of_the_files() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: String| {
            let path = dir.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let system = file(
            "system",
            format!("# Latin \u{e9}\n{}{}", pem("AAAA\nBB=="), pem("CCCC")),
        );
        let named = file(
            "named",
            format!(
                "{}-----BEGIN PRIVATE KEY-----\nS3CR3T\n-----END PRIVATE KEY-----\r\n{}",
                pem("CCCC"),
                pem("DDDD\nEEEE").replace('\n', "\r\n"),
            ),
        );
        let certs = dir.path().join("certs");
        fs::create_dir_all(certs.join("below")).unwrap();
        fs::write(certs.join("b.0"), pem("FFFF")).unwrap();
        fs::write(certs.join("a.0"), pem("AAAABB==") + &pem("GGGG")).unwrap();
        fs::write(certs.join("README"), "nothing here").unwrap();
        symlink("nowhere", certs.join("c.0")).unwrap();
        let system = system.to_str().unwrap();
        let all = read(
            &["/nonexistent", system, named.to_str().unwrap()],
            &[
                ("SSL_CERT_FILE", &named),
                ("REQUESTS_CA_BUNDLE", &certs),
                ("CURL_CA_BUNDLE", Path::new(system)),
                ("GIT_SSL_CAINFO", Path::new("")),
            ],
        );
        let want = ["AAAA\nBB==", "CCCC", "DDDD\nEEEE", "GGGG", "FFFF"]
            .map(pem)
            .concat();
        assert_eq!(all.ok(), Some(want));
    }

    #[test]
    fn a_named_file_that_cannot_be_read_is_an_error_with_variable_and_file() {
        for variable in VARIABLES {
            let failure = read(&[], &[(variable, Path::new("/nonexistent/ca.pem"))]).unwrap_err();
            let text = failure.to_string();
            let want = format!("cannot read /nonexistent/ca.pem, which `{variable}` names: ");
            assert!(text.starts_with(&want), "{text}");
            assert!(failure.hint().unwrap().contains(variable));
        }
    }

    #[test]
    fn a_named_file_or_directory_without_a_certificate_is_an_error_with_variable_and_file() {
        let dir = tempfile::tempdir().unwrap();
        let (system, empty) = (dir.path().join("system"), dir.path().join("empty"));
        fs::write(&system, pem("AAAA")).unwrap();
        fs::create_dir(&empty).unwrap();
        let key = dir.path().join("key.pem");
        fs::write(&key, pem("AAAA").replace("CERTIFICATE", "PRIVATE KEY")).unwrap();
        for variable in VARIABLES {
            for path in [&empty, &key, Path::new("/dev/null")] {
                let failure = read(&[system.to_str().unwrap()], &[(variable, path)]).unwrap_err();
                let path = path.display();
                let want = format!("{path}, which `{variable}` names, holds no certificate in PEM");
                assert_eq!(failure.to_string(), want);
                assert!(failure.hint().unwrap().contains(variable));
            }
            // What the system has already is found all the same.
            let same = read(&[system.to_str().unwrap()], &[(variable, &system)]);
            assert_eq!(same.ok(), Some(pem("AAAA")));
        }
    }

    #[test]
    fn what_is_cut_or_no_pem_is_left_out() {
        let whole = pem("AAAA");
        for cut in 0..whole.len() - 1 {
            let mut all = Certificates::default();
            all.add(&whole.as_bytes()[..cut]);
            assert!(all.text.is_empty(), "{cut}");
            all.add(&[&whole.as_bytes()[..cut], b"\n", pem("BBBB").as_bytes()].concat());
            assert_eq!(String::from_utf8(all.text).unwrap(), pem("BBBB"), "{cut}");
        }
        let mut all = Certificates::default();
        for bad in [
            pem("A A"),
            pem("x\0"),
            pem(""),
            pem("-----BEGIN X-----"),
            "\u{fc}".into(),
        ] {
            all.add(bad.as_bytes());
        }
        assert!(all.text.is_empty());
    }

    #[test]
    fn the_authorities_come_first_and_have_to_be_such() {
        let mut all = Certificates::default();
        all.add(pem("AAAA").as_bytes());
        let text = all.after(&[pem("ZZZZ"), pem("YYYY")]).unwrap();
        let want = pem("ZZZZ") + &pem("YYYY") + &pem("AAAA");
        assert_eq!(String::from_utf8(text).unwrap(), want);
        for bad in [
            "",
            "x",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        ] {
            assert!(all.after(&[bad.to_owned()]).is_none());
            assert!(all.after(&[pem("ZZZZ"), bad.to_owned()]).is_none());
        }
    }
}
