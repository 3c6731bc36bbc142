//! `/v1/secrets`: what is stored, and new values. No route returns a value.

use std::mem;
use std::sync::Arc;

use axum::extract::State;
use axum::response::NoContent;
use axum::routing::{get, post};
use axum::{Json, Router};
use broker_policy::Caller;
use broker_protocol::api::{SecretList, SecretSet, SecretView, SetSecret, UndoSecret};
use broker_protocol::check::{CheckView, SecretChecked, Verdict};
use broker_protocol::error::{ErrorCode, Problem};
use broker_protocol::names::{ONE_PASSWORD_TOKEN, SecretName};
use broker_protocol::source::SourceSpec;
use broker_secret_memory::token::AccessToken;
use broker_vault::kind_of;
use zeroize::Zeroizing;

use super::error::Refusal;
use super::extract::{Body, Named, Operator, SecretBody};
use super::page::{After, Listed, page_by_name};
use super::to_completion::{completed, to_completion};
use crate::app::App;
use crate::checks::{AT_SET, Checks, Pace};
use crate::config::Config;
use crate::leases::Leases;
use crate::operations::Operations;
use crate::status::Status;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/v1/secrets", get(list_secrets))
        .route(
            "/v1/secrets/{name}",
            get(show_secret).put(set_secret).delete(remove_secret),
        )
        .route("/v1/secrets/{name}/undo", post(undo_secret))
        .route("/v1/secrets/{name}/check", post(check_secret))
}

/// Lists secrets.
///
/// Never their values.
///
/// # Answers
///
/// - 200: secrets
async fn list_secrets(
    State(status): State<Arc<Status>>,
    State(leases): State<Arc<Leases>>,
    _operator: Operator,
    after: After,
) -> Result<Listed<SecretList>, Refusal> {
    leases.flush_usage().await;
    let secrets = status.secrets();
    page_by_name("secrets", secrets, |one| one.name.to_string(), &after)
}

/// Shows a secret.
///
/// Never its value.
///
/// # Answers
///
/// - 200: the secret
/// - 404 `NoSuchSecret`
async fn show_secret(
    State(status): State<Arc<Status>>,
    State(leases): State<Arc<Leases>>,
    _operator: Operator,
    Named(name): Named<SecretName>,
) -> Result<Json<SecretView>, Refusal> {
    leases.flush_usage().await;
    let view = status.secret(&name).await;
    let detail = || format!("no policy declares a secret `{name}`, and the vault holds none");
    view.map(Json)
        .ok_or_else(|| Problem::new(ErrorCode::NotFound, detail()).into())
}

/// Stores a new value.
///
/// It becomes the version in use. No route gives a value back.
///
/// # Answers
///
/// - 200: it is stored
/// - 409 `RotationConflict`, 500 `Internal`, 503 `LockedOrNotRecorded`
async fn set_secret(
    State(app): State<App>,
    Operator(by): Operator,
    Named(name): Named<SecretName>,
    SecretBody(body): SecretBody<SetSecret>,
) -> Result<Json<SecretSet>, Refusal> {
    let value = value_of(body.value, &app.config)?;
    // Read here, and then only by the vault.
    let looks_like = kind_of(&value).map(|kind| kind.as_str().to_owned());
    let setting = to_completion({
        let (secrets, by, name) = (Arc::clone(&app.secrets), by.clone(), name.clone());
        async move { secrets.set_secret(&by, &name, value, body.expires_at).await }
    });
    let held = setting.await?;
    let mut set = SecretSet {
        name,
        version: held.version,
        looks_like,
        restores: None,
        check: None,
        warnings: Vec::new(),
    };
    add_findings(&app, by, &mut set, body.check).await;
    Ok(Json(set))
}

/// Restores the previous value.
///
/// The newest value in the vault that differs from the one in use is stored as a new version, and that
/// becomes the one in use. Opening it is recorded (`secret.used`), and the new version too
/// (`secret.set`, `restores`). Who was handed that value is in `exposed_to` again. A second call brings
/// the other value back.
///
/// # Answers
///
/// - 200: it is stored
/// - 404 `NoSuchSecret`, 409 `NothingToUndo`, 500 `Internal`, 503 `LockedOrNotRecorded`
async fn undo_secret(
    State(app): State<App>,
    Operator(by): Operator,
    Named(name): Named<SecretName>,
    Body(body): Body<UndoSecret>,
) -> Result<Json<SecretSet>, Refusal> {
    let undoing = to_completion({
        let (secrets, by, name) = (Arc::clone(&app.secrets), by.clone(), name.clone());
        async move { secrets.undo_secret(&by, &name).await }
    });
    let undone = undoing.await?;
    let mut set = SecretSet {
        name,
        version: undone.held.version,
        looks_like: undone.looks_like.map(|kind| kind.as_str().to_owned()),
        restores: Some(undone.restores),
        check: None,
        warnings: Vec::new(),
    };
    add_findings(&app, by, &mut set, body.check).await;
    Ok(Json(set))
}

/// Adds warnings about a value that was just stored, and the result of a check of it, if that is `wanted`
/// or the configuration asks for it.
async fn add_findings(app: &App, by: Arc<Caller>, set: &mut SecretSet, wanted: Option<bool>) {
    let name = set.name.clone();
    set.warnings = warnings(app, &name);
    if !wanted.unwrap_or_else(|| app.checks.checks_at_set(&name)) {
        return;
    }
    let checking = to_completion({
        let (checks, name) = (Arc::clone(&app.checks), name.clone());
        async move { checks.check_secret(Some(&by), &name, Pace::Prompt).await }
    });
    match tokio::time::timeout(AT_SET, checking).await {
        Ok(Ok(checked)) => {
            set.warnings.extend(faults(&checked.check));
            let is_wrong = checked.check.verdict == Verdict::Error;
            if is_wrong && app.secrets.value_before(&name).is_some() {
                set.warnings.push(format!(
                    "the previous value is still in the vault: `tokenctl secret set {name} --undo` \
                     restores it"
                ));
            }
            set.check = Some(checked.check);
        }
        Ok(Err(error)) => set
            .warnings
            .push(format!("it is stored, and not checked yet: {error}")),
        Err(_elapsed) => set.warnings.push(format!(
            "it is stored; GitHub has not answered the check within {} s; see `tokenctl secret show \
             {name}` later",
            AT_SET.as_secs()
        )),
    }
}

/// Reads the value in a body.
pub(super) fn value_of(text: String, config: &Config) -> Result<AccessToken, Refusal> {
    let mut text = Zeroizing::new(text);
    takes_values(config)?;
    AccessToken::read(mem::take(&mut *text))
        .map_err(|unfit| Refusal::bad_request(format!("the value {unfit}")))
}

/// `tokend --dev` takes none.
pub(super) fn takes_values(config: &Config) -> Result<(), Refusal> {
    if !config.is_dev() {
        return Ok(());
    }
    let detail =
        "this is `tokend --dev`, which takes no value: its tokens are made up, and nothing is kept";
    let hint = "store it in a broker of yours: `tokenctl init`, `tokend`, and this command again";
    Err(Problem::new(ErrorCode::Denied, detail)
        .with_hint(hint)
        .into())
}

/// The warnings and errors of a check, one line each.
fn faults(check: &CheckView) -> impl Iterator<Item = String> + '_ {
    let findings = check.findings.iter().flatten();
    let faults = findings.filter(|finding| finding.verdict >= Verdict::Warning);
    faults.map(|finding| match &finding.hint {
        Some(hint) => format!("{}: {}; {hint}", finding.word, finding.text),
        None => format!("{}: {}", finding.word, finding.text),
    })
}

/// Checks a secret against GitHub.
///
/// Whose it is, what it may do and when it expires, against what the policies declare. Opening the value
/// is recorded before, the result after. A secret that is not as declared is an answer, not an error.
/// Where GitHub does not answer, nothing is found out and what was known stays.
///
/// # Answers
///
/// - 200: GitHub answered
/// - 404 `NoSuchSecret`, 409 `SecretNotUsable`, 429 `GitHubLimits`, 500 `Internal`, 502 `GitHubRefused`,
///   503 `GitHubUnavailable`
async fn check_secret(
    State(checks): State<Arc<Checks>>,
    Operator(by): Operator,
    Named(name): Named<SecretName>,
) -> Result<Json<SecretChecked>, Refusal> {
    completed(async move { checks.check_secret(Some(&by), &name, Pace::Prompt).await }).await
}

fn warnings(app: &App, name: &SecretName) -> Vec<String> {
    let policies = app.policies.in_force();
    let shown = app.config.one_password.token.as_ref();
    if name.as_str() == ONE_PASSWORD_TOKEN && shown.is_some_and(SourceSpec::is_vault) {
        return Vec::new();
    }
    let Some(declared) = policies.set.secret(name) else {
        return vec![format!(
            "no policy file declares `{name}`; until one does, it cannot be used"
        )];
    };
    let mut warnings = Vec::new();
    let ends = app.vault.held(name).and_then(|held| held.expires_at);
    if ends.is_some_and(|end| end <= app.journal.now().wall) {
        warnings.push("its expiry is past; no lease is granted on this value".to_owned());
    }
    if !declared.source.is_vault() {
        warnings.push(format!(
            "{} takes `{name}` from {}; the stored value is not used",
            declared.place, declared.source
        ));
    }
    warnings
}

/// Erases a secret.
///
/// Every version of its value is erased from the vault.
///
/// # Answers
///
/// - 204: it is erased
/// - 404 `NoValue`, 500 `Internal`, 503 `LockedOrNotRecorded`
async fn remove_secret(
    State(operations): State<Arc<Operations>>,
    Operator(by): Operator,
    Named(name): Named<SecretName>,
) -> Result<NoContent, Refusal> {
    to_completion(async move { operations.remove_secret(&by, &name).await }).await?;
    Ok(NoContent)
}
