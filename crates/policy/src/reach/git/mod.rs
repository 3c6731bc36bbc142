//! What a request to the web host needs: git and Git LFS over HTTPS.
//!
//! ```text
//! method, path, query ─parse→ GitRequest ─(body)→ GitRequest ─beyond(Scope)→ nothing, or what the lease does not allow
//! ```
//!
//! git has five requests and Git LFS a few more, each about the one repository in its path; reading needs
//! `contents: read`, writing `contents: write`. So there is no table here: what is not one of them is refused, and so
//! is whatever two servers might read differently. Not one character of such a path needs to be encoded, so none may be.
//!
//! Only a Git LFS batch says in its body whether it reads or writes (see `batch`).
//!
//! What else is on the web host, downloads of releases among it, no permission of a lease covers. A purpose that says
//! `public` lets reads go on without any credential, as everyone may make them.
//!
//! Sources: git's `gitprotocol-http`; Git LFS's `docs/api`.

mod batch;

use std::fmt;

use broker_protocol::names::RepoPattern;

use super::path::{BadPath, Path};
use super::said::Said;
use super::{Scope, need};
use crate::parts::repository_beyond;

/// A request of git's or of Git LFS's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitRequest {
    repository: RepoPattern,
    /// In git's words.
    what: &'static str,
    access: Access,
}

/// What it does to the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
    /// Either; the body says which.
    Unsaid,
}

/// Why a request to the web host is refused whatever the lease holds. The message completes “refused: …”.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotGit {
    /// The path cannot be decided on.
    #[error(transparent)]
    Path(#[from] BadPath),
    /// A `%` where git needs none.
    #[error("a path of git holds no `%`: owner and repository stand in plain letters")]
    Encoded,
    /// An owner or a repository that GitHub cannot have.
    #[error("the path names no owner and repository")]
    Name,
    /// A repository of its own.
    #[error("a wiki is a repository of its own, which no lease names")]
    Wiki,
    /// git older than 1.6.6, or a client that does not say what it wants.
    #[error("git's dumb protocol is not served; GitHub itself does not serve it either")]
    Dumb,
    /// No `service`, two of them, or something beside it.
    #[error(
        "`info/refs` has exactly one parameter, `service=git-upload-pack` or \
         `service=git-receive-pack`"
    )]
    Service,
    /// A query where git sends none.
    #[error("that path has no query")]
    Query,
    /// `GET` where git sends `POST`, for one.
    #[error("git sends another method to that path")]
    Method,
    /// Not the JSON of a batch.
    #[error(
        "a Git LFS batch is JSON with one `operation`, `download` or `upload`, and is not compressed"
    )]
    Batch,
    /// The web site.
    #[error(
        "it is neither git nor Git LFS, and nothing else on this host is covered by a permission"
    )]
    Other,
}

impl GitRequest {
    /// Reads a request to the web host: its path and query as they came.
    ///
    /// # Errors
    ///
    /// [`NotGit`]: no lease allows it.
    pub fn parse(method: &str, path: &str, query: Option<&str>) -> Result<Self, NotGit> {
        let parsed = Path::parse(path)?.plain;
        let segments: Vec<&str> = parsed.iter().map(AsRef::as_ref).collect();
        let [owner, name, rest @ ..] = segments.as_slice() else {
            return Err(NotGit::Other);
        };
        let (expected, what, access) = match rest {
            ["info", "refs"] => ("GET", "info/refs", Access::Read),
            ["git-upload-pack"] => ("POST", UPLOAD_PACK, Access::Read),
            ["git-receive-pack"] => ("POST", RECEIVE_PACK, Access::Write),
            ["info", "lfs", "objects", "batch"] => ("POST", "a Git LFS batch", Access::Unsaid),
            ["info", "lfs", "locks"] if method == "GET" => ("GET", LOCKS, Access::Read),
            ["info", "lfs", "locks"] | ["info", "lfs", "locks", "verify"] => {
                ("POST", LOCKS, Access::Write)
            }
            ["info", "lfs", "locks", id, "unlock"] if is_plain(id) => {
                ("POST", LOCKS, Access::Write)
            }
            ["HEAD"] | ["objects" | "info", ..] => return Err(NotGit::Dumb),
            _ => return Err(NotGit::Other),
        };
        if path.contains('%') {
            return Err(NotGit::Encoded);
        }
        let repository = repository(owner, name)?;
        if method != expected {
            return Err(NotGit::Method);
        }
        let (what, access) = match (rest, query) {
            (["info", "refs"], query) => service(query)?,
            // It filters and pages the locks of this repository.
            (["info", "lfs", "locks"], _) if method == "GET" => (what, access),
            (_, Some(_)) => return Err(NotGit::Query),
            (_, None) => (what, access),
        };
        Ok(Self {
            repository,
            what,
            access,
        })
    }

    /// Whether only the body, of at most [`LARGEST_BATCH`] bytes, says what it does.
    #[must_use]
    pub fn is_said_in_body(&self) -> bool {
        self.access == Access::Unsaid
    }

    /// The same, once its body is known.
    ///
    /// # Errors
    ///
    /// [`NotGit::Batch`]
    pub fn with_body(self, body: &[u8]) -> Result<Self, NotGit> {
        let (what, access) = match batch::operation(body).ok_or(NotGit::Batch)? {
            batch::Operation::Download => ("a Git LFS download", Access::Read),
            batch::Operation::Upload => ("a Git LFS upload", Access::Write),
        };
        Ok(Self {
            what,
            access,
            ..self
        })
    }

    /// Whether it changes nothing, as far as that is known.
    #[must_use]
    pub fn is_read(&self) -> bool {
        self.access != Access::Write
    }

    /// The first thing that is not in this scope, in words. Of a batch whose body is not known it is what any
    /// would need.
    #[must_use]
    pub fn beyond(&self, scope: &Scope<'_>, whose: &str) -> Option<String> {
        let repository = std::slice::from_ref(&self.repository);
        repository_beyond(repository, scope.repositories, whose).or_else(|| {
            let said = match self.access {
                Access::Read | Access::Unsaid => "contents=read",
                Access::Write => "contents=write",
            };
            match Said::parse(said).needed() {
                Ok(needed) => need::missing(&needed.any, scope.permissions, whose),
                Err(why) => Some(why.to_string()),
            }
        })
    }
}

/// `git-upload-pack needs contents: read on acme/site`
impl fmt::Display for GitRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            repository,
            what,
            access,
        } = self;
        match access {
            Access::Read => write!(f, "{what} needs contents: read on {repository}"),
            Access::Write => write!(f, "{what} needs contents: write on {repository}"),
            Access::Unsaid => write!(
                f,
                "{what} needs contents: read on {repository}, and for an upload contents: write"
            ),
        }
    }
}

/// Whether a request may go on without a credential where a purpose is `public`: it is on the web site, and reads.
#[must_use]
pub fn is_web_read(method: &str, no_git: NotGit) -> bool {
    no_git == NotGit::Other && matches!(method, "GET" | "HEAD")
}

/// The largest body of a batch that is read, in bytes. Ours: a hundred objects, which is what Git LFS asks
/// for at once, take 15 KiB.
pub const LARGEST_BATCH: usize = 1024 * 1024;

const UPLOAD_PACK: &str = "git-upload-pack";
const RECEIVE_PACK: &str = "git-receive-pack";
const LOCKS: &str = "a Git LFS lock";

fn service(query: Option<&str>) -> Result<(&'static str, Access), NotGit> {
    match query {
        Some("service=git-upload-pack") => Ok((UPLOAD_PACK, Access::Read)),
        Some("service=git-receive-pack") => Ok((RECEIVE_PACK, Access::Write)),
        _ => Err(NotGit::Service),
    }
}

/// GitHub takes a repository's name with and without `.git`.
fn repository(owner: &str, name: &str) -> Result<RepoPattern, NotGit> {
    let name = name.strip_suffix(".git").unwrap_or(name);
    let lower = name.to_ascii_lowercase();
    if lower.ends_with(".wiki") || lower.ends_with(".wiki.git") {
        return Err(NotGit::Wiki);
    }
    // No name ends in a second one, or in one in capitals: servers may see another repository in it.
    let parsed = format!("{owner}/{name}").parse::<RepoPattern>();
    let one = parsed.ok().filter(|pattern| pattern.name().is_some());
    one.ok_or(NotGit::Name)
}

/// The id of a lock.
fn is_plain(id: &str) -> bool {
    id.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}
