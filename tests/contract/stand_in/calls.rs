//! Every call that the broker makes, in every state that the stand-in has.

use super::*;

pub(super) fn users(stage: &mut Stage) {
    for version in ["2022-11-28", "2026-03-10"] {
        let version = ["--header", &format!("X-GitHub-Api-Version: {version}")];
        stage.send("GET /user", CLASSIC, &version, 200);
        stage.send("GET /rate_limit", CLASSIC, &version, 200);
    }
    stage.ask("GET /meta", "", 200);
    stage.ask("GET /user", SCOPELESS, 200);
    stage.ask("GET /user", FINE, 200);
    stage.ask("GET /user", DEAD, 401);
    stage.ask("GET /user", "", 401);
    let tag = stage.ask("GET /user", CLASSIC, 200).header("etag").unwrap();
    stage.send(
        "GET /user",
        CLASSIC,
        &["--header", &format!("If-None-Match: {tag}")],
        304,
    );
    stage
        .github
        .fault(Fault::on("GET /user").secondary_limit(Some(30)).times(1));
    stage.ask("GET /user", CLASSIC, 403);
    stage.github.change(|state| {
        let now = state.clock.now();
        state.limits.set("user acme-bot", 5000, 5000, now);
    });
    stage.ask("GET /user", CLASSIC, 403);
    stage.ask("GET /rate_limit", CLASSIC, 200);
    stage.ask("GET /rate_limit", "", 200);
    stage
        .github
        .change(|state| state.settings.rate_limits = false);
    stage.ask("GET /rate_limit", CLASSIC, 404);
    stage.github.change(|state| {
        state.settings.rate_limits = true;
        let now = state.clock.now();
        state.limits.set("user acme-bot", 5000, 0, now);
    });
    stage.ask("GET /orgs/acme", CLASSIC, 200);
    stage.ask("GET /orgs/unknown", CLASSIC, 404);
    stage.ask("GET /orgs/acme/repos?per_page=1", CLASSIC, 200);
    stage.ask("GET /orgs/unknown/repos", CLASSIC, 404);
}

pub(super) fn apps(stage: &mut Stage) {
    let jwt = stage.jwt();
    stage.ask("GET /app", &jwt, 200);
    stage.ask("GET /app", "no.json.webtoken", 401);
    stage.ask("GET /app/installations", &jwt, 200);
    stage.ask("GET /app/installations?per_page=1", &jwt, 200);
    let id = stage
        .github
        .change(|state| state.installation_on("acme").id);
    stage.ask(&format!("GET /app/installations/{id}"), &jwt, 200);
    stage.ask("GET /app/installations/1", &jwt, 404);
    stage.ask("GET /orgs/acme/installation", &jwt, 200);
    stage.ask("GET /orgs/other/installation", &jwt, 404);
    stage.ask("GET /users/alice/installation", &jwt, 200);
    stage.ask("GET /repos/acme/site/installation", &jwt, 200);
    stage.ask("GET /repos/acme/nothing/installation", &jwt, 404);

    let mint = format!("POST /app/installations/{id}/access_tokens");
    stage.ask(&mint, &jwt, 201);
    stage.ask(&mint, "no.json.webtoken", 401);
    stage.ask("POST /app/installations/1/access_tokens", &jwt, 404);
    let too_much = json!({"permissions": {"contents": "write"}});
    stage.tell(&mint, &jwt, &too_much, 422);
    stage.tell(&mint, &jwt, &json!({"repositories": ["nothing"]}), 422);
    stage
        .github
        .change(|state| state.installation_on("acme").suspended = true);
    stage.ask(&mint, &jwt, 403);
    stage.ask(&format!("GET /app/installations/{id}"), &jwt, 200);
    stage
        .github
        .change(|state| state.installation_on("acme").suspended = false);
    let site = stage
        .github
        .change(|state| state.repository_id("acme/site"));
    let narrow = json!({"repository_ids": [site], "permissions": {"contents": "read"}});
    let got = stage.tell(&mint, &jwt, &narrow, 201);
    let token = got.json()["token"].as_str().unwrap().to_owned();
    stage.ask("GET /installation/repositories?per_page=1", &token, 200);
    stage.ask("GET /installation/repositories", CLASSIC, 403);
    stage.ask("GET /user", &token, 403);
    stage.ask("GET /repos/acme/site", &token, 200);
    stage.ask("GET /repos/acme/two", &token, 404);
    stage.ask("DELETE /installation/token", &token, 204);
    stage.ask("GET /installation/repositories", &token, 401);
}

pub(super) fn repositories(stage: &mut Stage) {
    let at = "/repos/acme/site";
    stage.ask(&format!("GET {at}"), CLASSIC, 200);
    stage.ask("GET /repos/acme/two", FINE, 404);
    stage.ask("GET /repos/alice/open", SCOPELESS, 200);
    stage
        .github
        .change(|state| state.pat_mut(CLASSIC).sso_missing.insert("acme".into()));
    stage.ask(&format!("GET {at}"), CLASSIC, 403);
    stage
        .github
        .change(|state| state.pat_mut(CLASSIC).sso_missing.clear());
    stage.ask(&format!("GET {at}/contents/README.md"), FINE, 200);
    stage.ask(&format!("GET {at}/contents/NOTHING.md"), FINE, 404);
    stage.tell(
        &format!("POST {at}/issues"),
        CLASSIC,
        &json!({"title": "one", "body": "b"}),
        201,
    );
    stage.tell(
        &format!("POST {at}/issues"),
        CLASSIC,
        &json!({"title": ""}),
        422,
    );
    stage.tell(
        &format!("POST {at}/issues"),
        FINE,
        &json!({"title": "two"}),
        403,
    );
    stage.ask(&format!("GET {at}/issues"), CLASSIC, 200);
    stage.tell(
        &format!("POST {at}/labels"),
        CLASSIC,
        &json!({"name": "bug", "color": "f29513"}),
        201,
    );
    stage.tell(
        &format!("POST {at}/labels"),
        CLASSIC,
        &json!({"name": "bug"}),
        422,
    );
    stage.ask(&format!("GET {at}/labels"), CLASSIC, 200);
    labels(stage, at);
    issues_and_pulls(stage, at);
    releases_and_runs(stage, at);
    for read in [
        "pulls",
        "branches",
        "commits",
        "commits/HEAD/statuses",
        "releases",
        "deployments",
        "environments",
        "hooks",
        "keys",
        "actions/runs",
        "actions/workflows",
        "actions/artifacts",
        "actions/permissions",
        "code-scanning/alerts",
        "secret-scanning/alerts",
        "dependabot/alerts",
    ] {
        stage.ask(&format!("GET {at}/{read}"), CLASSIC, 200);
    }
    stage.ask(&format!("GET {at}/hooks?per_page=1"), FINE, 403);
}

fn issues_and_pulls(stage: &mut Stage, at: &str) {
    stage.github.change(|state| {
        let milestone = state.add_milestone("acme/site", "1.0");
        let pull = state.add_pull("acme/site", "A fix", "fix");
        assert_eq!((milestone, pull), (1, 2));
    });
    let all = json!({"labels": ["bug"], "assignees": ["acme-bot"], "state": "closed"});
    stage.tell(&format!("PATCH {at}/issues/1"), CLASSIC, &all, 200);
    stage.ask(&format!("GET {at}/issues/1"), CLASSIC, 200);
    stage.ask(&format!("GET {at}/issues/99"), CLASSIC, 404);
    stage.ask(&format!("GET {at}/issues?state=all"), CLASSIC, 200);
    let comments = format!("{at}/issues/1/comments");
    let said = json!({"body": "said"});
    stage.tell(&format!("POST {comments}"), CLASSIC, &said, 201);
    stage.ask(&format!("GET {comments}"), CLASSIC, 200);
    stage.ask(&format!("GET {at}/pulls/2"), CLASSIC, 200);
    stage.ask(&format!("GET {at}/pulls/1"), CLASSIC, 404);
    stage.ask(&format!("GET {at}/readme"), CLASSIC, 200);
    stage.ask(&format!("DELETE {at}/git/refs/heads%2Ffix"), CLASSIC, 204);
    stage.ask(&format!("DELETE {at}/git/refs/heads%2Ffix"), CLASSIC, 422);
    stage.ask("GET /", CLASSIC, 200);
}

fn labels(stage: &mut Stage, at: &str) {
    let bug = format!("{at}/labels/bug");
    stage.ask(&format!("GET {bug}"), CLASSIC, 200);
    stage.ask(&format!("GET {at}/labels/nothing"), CLASSIC, 404);
    let change = json!({"new_name": "defect", "color": "00ff00", "description": "broken"});
    stage.tell(&format!("PATCH {bug}"), CLASSIC, &change, 200);
    stage.tell(&format!("PATCH {bug}"), CLASSIC, &change, 404);
    stage.tell(
        &format!("PATCH {at}/labels/defect"),
        CLASSIC,
        &json!({"color": "red"}),
        422,
    );
    stage.ask(&format!("DELETE {at}/labels/defect"), CLASSIC, 204);
    stage.ask(&format!("DELETE {at}/labels/defect"), CLASSIC, 404);
}

fn releases_and_runs(stage: &mut Stage, at: &str) {
    let post = format!("POST {at}/releases");
    let tag = json!({"tag_name": "v1"});
    let release = stage.tell(&post, CLASSIC, &tag, 201).json();
    stage.tell(&post, CLASSIC, &tag, 422);
    stage.ask(
        &format!("GET {at}/releases/{}", release["id"]),
        CLASSIC,
        200,
    );
    stage.tell(
        &format!("PATCH {at}/releases/{}", release["id"]),
        CLASSIC,
        &json!({"name": "The first", "draft": false}),
        200,
    );
    stage.ask(&format!("GET {at}/releases/1"), CLASSIC, 404);
    stage.ask(&format!("GET {at}/releases/tags/v1"), CLASSIC, 200);
    stage
        .github
        .change(|state| state.add_run("acme/site", "Fix the build"));
    stage.ask(&format!("GET {at}/actions/workflows"), CLASSIC, 200);
    // By its file's name: a number is also a text, and so fits both forms that are described.
    stage.ask(&format!("GET {at}/actions/workflows/ci.yml"), CLASSIC, 200);
    stage.ask(
        &format!("GET {at}/actions/workflows/nothing.yml"),
        CLASSIC,
        404,
    );
    let runs = format!("GET {at}/actions/runs");
    let all = stage.ask(&runs, CLASSIC, 200).json();
    let id = &all["workflow_runs"][0]["id"];
    stage.ask(&format!("{runs}/{id}"), CLASSIC, 200);
    stage.ask(&format!("{runs}/1"), CLASSIC, 404);
}

pub(super) fn secrets(stage: &mut Stage) {
    let kinds = ["actions", "dependabot", "codespaces"];
    let repositories = kinds.map(|kind| format!("/repos/acme/site/{kind}/secrets"));
    let organizations = kinds.map(|kind| format!("/orgs/acme/{kind}/secrets"));
    let environment = "/repos/acme/site/environments/prod/secrets".to_owned();
    let places = repositories
        .into_iter()
        .chain(organizations)
        .chain([environment]);
    for place in places {
        let key = stage
            .ask(&format!("GET {place}/public-key"), CLASSIC, 200)
            .json();
        let bytes = STANDARD.decode(key["key"].as_str().unwrap()).unwrap();
        let sealed = PublicKey::from_slice(&bytes)
            .unwrap()
            .seal(&mut OsRng, b"value")
            .unwrap();
        let mut body = json!({"encrypted_value": STANDARD.encode(sealed), "key_id": key["key_id"]});
        if place.starts_with("/orgs/") {
            body["visibility"] = json!("private");
        }
        let one = format!("{place}/DEPLOY_TOKEN");
        stage.ask(&format!("GET {one}"), CLASSIC, 404);
        stage.tell(&format!("PUT {one}"), CLASSIC, &body, 201);
        stage.tell(&format!("PUT {one}"), CLASSIC, &body, 204);
        let mut mixed = body.clone();
        mixed["key_id"] = json!("012345678901234567");
        stage.tell(&format!("PUT {one}"), CLASSIC, &mixed, 422);
        stage.ask(&format!("GET {one}"), CLASSIC, 200);
        if place.starts_with("/orgs/") {
            body["visibility"] = json!("selected");
            let site = stage
                .github
                .change(|state| state.repository_id("acme/site"));
            body["selected_repository_ids"] = json!([site]);
            stage.tell(&format!("PUT {one}"), CLASSIC, &body, 204);
            stage.ask(&format!("GET {one}"), CLASSIC, 200);
            stage.ask(&format!("GET {one}/repositories"), CLASSIC, 200);
        }
        stage.ask(&format!("GET {place}"), CLASSIC, 200);
        stage.ask(&format!("GET {place}"), FINE, 403);
        stage.ask(&format!("DELETE {one}"), CLASSIC, 204);
        stage.ask(&format!("DELETE {one}"), CLASSIC, 404);
    }
}

pub(super) fn revocation(stage: &mut Stage) {
    let call = "POST /credentials/revoke";
    stage.tell(
        call,
        "",
        &json!({"credentials": [SCOPELESS, "ghp_unknown"]}),
        202,
    );
    stage.tell(call, "", &json!({"credentials": ["ghs_minted"]}), 422);
    stage.tell(call, CLASSIC, &json!({"credentials": [CLASSIC]}), 403);
    stage.github.advance(std::time::Duration::from_secs(60));
    stage.ask("GET /user", SCOPELESS, 401);
}
