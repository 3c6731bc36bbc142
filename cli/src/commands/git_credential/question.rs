//! What git wants a login for: the protocol of credential helpers, as `gitcredentials` describes it.

use std::io::{self, Read as _};

use broker_protocol::names::RepoPattern;
use zeroize::Zeroizing;

use crate::error::Failure;

/// What git says it wants a login for.
#[derive(Default)]
pub(super) struct Question {
    pub(super) protocol: String,
    pub(super) host: String,
    path: String,
}

impl Question {
    /// Reads `key=value` lines up to a blank one or the end. Unknown keys are ignored, as git asks. A carriage return
    /// at the end of a line is not part of it.
    pub(super) fn read(input: &mut impl io::Read) -> Result<Self, Failure> {
        // With `store` and `erase` a password is among the lines.
        let mut text = Zeroizing::new(Vec::with_capacity(MAX_QUESTION));
        let read = input.take(MAX_QUESTION as u64).read_to_end(&mut text);
        read.map_err(|error| Failure::new(format!("cannot read git's request: {error}")))?;
        let mut question = Self::default();
        let lines = text.split(|byte| *byte == b'\n');
        let lines = lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        for line in lines.take_while(|line| !line.is_empty()) {
            let at = line.iter().position(|byte| *byte == b'=');
            let Some((key, [_, value @ ..])) = at.and_then(|at| line.split_at_checked(at)) else {
                continue;
            };
            // What is not text is no host and no repository.
            let value = str::from_utf8(value).unwrap_or("\u{fffd}").to_owned();
            match key {
                b"protocol" => question.protocol = value,
                b"host" => question.host = value,
                b"path" => question.path = value,
                _ => drop(Zeroizing::new(value)),
            }
        }
        Ok(question)
    }

    /// The repository, where git says it (`credential.useHttpPath`): `o/r`, `o/r.git` or `o/r.git/info/lfs`. A
    /// wiki, `o/r.wiki.git`, is covered by `contents` of its repository.
    pub(super) fn repository(&self) -> Result<Option<RepoPattern>, Failure> {
        let path = self.path.trim_matches('/');
        if path.is_empty() {
            return Ok(None);
        }
        let mut parts = path.split('/').filter(|part| !part.is_empty());
        let (owner, name) = (parts.next(), parts.next().unwrap_or_default());
        let name = name.strip_suffix(".git").unwrap_or(name);
        let name = name.strip_suffix(".wiki").unwrap_or(name);
        let text = format!("{}/{name}", owner.unwrap_or_default());
        match text.parse::<RepoPattern>() {
            Ok(repository) if repository.name().is_some() => Ok(Some(repository)),
            _ => Err(Failure::Usage(format!(
                "git asks for `{}`, which is not a repository (`owner/name`)",
                self.path
            ))),
        }
    }
}

/// More than git ever says, in bytes.
const MAX_QUESTION: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn question(text: &[u8]) -> Question {
        Question::read(&mut &*text).ok().unwrap()
    }

    #[test]
    fn unknown_keys_are_ignored_and_a_blank_line_ends_the_question() {
        let asked = question(
            b"capability[]=authtype\nprotocol=https\nhost=github.com\nwwwauth[]=Basic realm=\"x\"\n\nhost=evil\n",
        );
        assert_eq!((&*asked.protocol, &*asked.host), ("https", "github.com"));
    }

    #[test]
    fn a_carriage_return_at_the_end_of_a_line_is_not_part_of_it_and_one_within_stays() {
        for text in [
            &b"protocol=https\r\nhost=github.com\r\npath=acme/site.git\r\n\r\nhost=evil\r\n"[..],
            b"protocol=https\nhost=github.com\npath=acme/site.git\r",
        ] {
            let asked = question(text);
            assert_eq!((&*asked.protocol, &*asked.host), ("https", "github.com"));
            assert_eq!(asked.repository().unwrap().unwrap().as_str(), "acme/site");
        }
        let forged = question(b"protocol=https\nhost=evil.test\rhost=github.com\n");
        assert_eq!(forged.host, "evil.test\rhost=github.com");
    }

    #[test]
    fn what_is_not_text_names_no_host_and_no_repository() {
        let asked =
            question(b"protocol=https\nhost=github.com\xff\npath=acme/\xff\nusername=\xff\n");
        assert_eq!(asked.host, "\u{fffd}");
        assert!(asked.repository().is_err());
    }

    #[test]
    fn the_repository_is_read_from_the_path_where_git_sends_one() {
        let repository = |path: &str| {
            let asked =
                question(format!("protocol=https\nhost=github.com\npath={path}\n").as_bytes());
            asked.repository().map(|found| found.map(|r| r.to_string()))
        };
        for path in [
            "Acme/Site.git",
            "acme/site",
            "acme/site/",
            "/acme/site.git/",
            "acme//site.git",
            "acme/site.git/info/lfs",
            "acme/site.wiki.git",
            "acme/site.wiki",
        ] {
            assert_eq!(repository(path).unwrap().as_deref(), Some("acme/site"));
        }
        assert_eq!(repository("").unwrap(), None);
        for bad in [
            "site.git",
            "acme/*",
            "acme/",
            "acme/site.git.git",
            "acme/site.GIT",
            "acme/.git",
        ] {
            let error = repository(bad).unwrap_err().to_string();
            assert!(
                error.contains(&format!("`{bad}`, which is not a repository")),
                "{error}"
            );
        }
    }
}
