//! Decides on requests to the web host: git under the lease, and what everyone may read without a credential.

use axum::body::Body;
use broker_policy::reach::Scope;
use broker_policy::reach::git::{self, GitRequest, LARGEST_BATCH, NotGit};
use broker_protocol::error::ErrorCode;

use super::decide::{Passage, Unread, whole_body};
use super::{ProxyRequest, Refusal, RequestBody};

/// Decides. Of a Git LFS batch the body is read, and goes on as it came.
pub(super) async fn decide(
    scope: &Scope<'_>,
    public: bool,
    request: &ProxyRequest,
    body: &mut Option<RequestBody>,
) -> Result<Passage, Refusal> {
    let method = request.method.as_str();
    let mut git = match GitRequest::parse(method, &request.path, request.query.as_deref()) {
        Ok(git) => git,
        Err(no_git) if public && git::is_web_read(method, no_git) => {
            return Ok(Passage::Public {
                beyond: no_git.to_string(),
            });
        }
        Err(no_git) => return Err(refused(no_git)),
    };
    if git.is_said_in_body() && (public || git.beyond(scope, WHOSE).is_none()) {
        git = with_body(git, request, body).await?;
    }
    match git.beyond(scope, WHOSE) {
        None => Ok(Passage::of_lease()),
        Some(beyond) if public && git.is_read() => Ok(Passage::Public { beyond }),
        Some(beyond) => {
            let why = format!("refused: {beyond}");
            Err(Refusal::new(ErrorCode::TooWide, why))
        }
    }
}

const WHOSE: &str = "the lease";

fn refused(no_git: NotGit) -> Refusal {
    let code = match no_git {
        NotGit::Path(_) | NotGit::Encoded | NotGit::Batch => ErrorCode::BadRequest,
        _ => ErrorCode::TooWide,
    };
    Refusal {
        // git prints the reason of a 403 alone.
        status: 403,
        ..Refusal::new(code, format!("refused: {no_git}"))
    }
}

/// The batch, once its body is read.
async fn with_body(
    git: GitRequest,
    request: &ProxyRequest,
    body: &mut Option<RequestBody>,
) -> Result<GitRequest, Refusal> {
    let read = whole_body(request, body, LARGEST_BATCH).await;
    let read = read.map_err(|unread| match unread {
        Unread::Unreadable => refused(NotGit::Batch),
        Unread::TooLongOrCut => {
            let why = format!(
                "refused: the body of a Git LFS batch has at most {LARGEST_BATCH} bytes, and comes whole"
            );
            Refusal::new(ErrorCode::BadRequest, why)
        }
    })?;
    let git = git.with_body(&read).map_err(refused)?;
    let length = read.len() as u64;
    *body = Some((Body::from(read), Some(length)));
    Ok(git)
}
