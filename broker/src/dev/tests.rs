//! A whole broker of `tokend --dev` in this process, asked through its API and its proxy.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use axum::body::Body;
use axum::http::Request;
use axum::http::header::AUTHORIZATION;
use axum::response::Response;
use broker_clock::ManualClock;
use broker_protocol::api::{DEV, DEV_HEADER};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::api::Api;
use crate::caller::Peer;
use crate::proxy::Proxy;

struct Dev {
    api: Api,
    proxy: Proxy,
    app: App,
    _lock: Flock<File>,
    place: Place,
    base: TempDir,
}

impl Dev {
    async fn start() -> Self {
        let base = tempfile::tempdir().unwrap();
        fs::set_permissions(base.path(), Permissions::from_mode(0o700)).unwrap();
        let place = Place::make(|name| (name == "XDG_RUNTIME_DIR").then(|| base.path().into()));
        let place = place.unwrap();
        let clock = Arc::new(ManualClock::at("2026-11-30T07:00:00Z".parse().unwrap()));
        let traces = NonblockingStderr::to_standard_error().unwrap();
        let (app, lock) = assemble(&place, clock, traces).await.unwrap();
        Self {
            api: Api::of(app.clone()),
            proxy: Proxy::of(&app),
            app,
            _lock: lock,
            place,
            base,
        }
    }

    /// One request by this account. Every answer says what it comes from.
    async fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        let request = Request::builder().method(method).uri(path).extension(own());
        let answer = self.api.answer(request.body(Body::from(body)).unwrap());
        read(answer.await).await
    }

    async fn lease(&self, body: Value) -> (u16, Value) {
        self.ask("POST", "/v1/leases", &body).await
    }

    /// One request to GitHub with this token.
    async fn proxied(&self, path: &str, token: &str) -> (u16, Value) {
        let request = Request::builder()
            .uri(path)
            .header("host", "api.github.com")
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .extension(own());
        let answer = self.proxy.answer(request.body(Body::empty()).unwrap());
        read(answer.await).await
    }

    fn write_policy(&self, name: &str, text: &str) {
        private::write_new(&self.app.places.policies.join(name), text.as_bytes()).unwrap();
    }
}

fn own() -> Arc<Peer> {
    Arc::new(Peer::pretended(Caller {
        uid: geteuid().as_raw(),
        gid: getegid().as_raw(),
        ..Caller::default()
    }))
}

async fn read(answer: Response) -> (u16, Value) {
    assert_eq!(answer.headers()[DEV_HEADER], DEV);
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

const NO_GITHUB: &str = "this is `tokend --dev`: there is no GitHub, and nothing was asked";

#[tokio::test]
async fn it_is_unlocked_and_says_in_every_answer_and_in_its_status_that_it_is_not_for_use() {
    let dev = Dev::start().await;
    let (code, status) = dev.ask("GET", "/v1/status", &Value::Null).await;
    assert_eq!((code, &status["dev"]), (200, &json!(true)));
    assert_eq!(
        (&status["ready"], &status["locked"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(status["broker"]["warnings"], json!([]));
    for (path, code) in [
        ("/healthz", 200),
        ("/metrics", 200),
        ("/nowhere", 404),
        ("/v1/leases/x", 400),
    ] {
        assert_eq!(dev.ask("GET", path, &Value::Null).await.0, code, "{path}");
    }
}

#[tokio::test]
async fn a_lease_of_each_kind_and_each_denial_can_be_tried() {
    let dev = Dev::start().await;
    let (code, labels) = dev
        .lease(json!({"purpose": "labels", "repositories": ["acme/site"]}))
        .await;
    assert_eq!((code, &labels["deliver"]), (201, &json!("proxy")));
    assert!(labels["token"].as_str().unwrap().starts_with("tkp_"));
    let (code, releases) = dev.lease(json!({"purpose": "releases"})).await;
    assert_eq!((code, &releases["deliver"]), (201, &json!("raw")));
    assert_eq!(releases["token"], VALUES[1].1);
    let (code, admin) = dev.lease(json!({"purpose": "admin"})).await;
    assert_eq!((code, &admin["code"]), (403, &json!("denied")));
    let wide = json!({"purpose": "labels", "permissions": {"contents": "write"}});
    let (code, wide) = dev.lease(wide).await;
    assert_eq!((code, &wide["code"]), (403, &json!("too_wide")));
}

#[tokio::test]
async fn what_would_ask_github_says_that_there_is_none_and_what_is_refused_is_refused() {
    let dev = Dev::start().await;
    let (_, lease) = dev.lease(json!({"purpose": "labels"})).await;
    let token = lease["token"].as_str().unwrap();
    let (code, answer) = dev.proxied("/repos/acme/site/labels", token).await;
    assert_eq!((code, &answer["message"]), (502, &json!(NO_GITHUB)));
    let (code, answer) = dev.proxied("/repos/other/site/labels", token).await;
    assert_eq!(code, 403);
    assert!(
        answer["message"].as_str().unwrap().starts_with("refused: "),
        "{answer}"
    );
    let (code, check) = dev
        .ask("POST", "/v1/secrets/labels-token/check", &Value::Null)
        .await;
    assert_eq!(
        (code, &check["code"]),
        (503, &json!("upstream_unavailable"))
    );
    assert!(
        check["detail"].as_str().unwrap().ends_with(NO_GITHUB),
        "{check}"
    );
}

#[tokio::test]
async fn it_takes_no_value_and_says_so_without_a_word_of_it() {
    let dev = Dev::start().await;
    let value = json!({"value": support::canary::CLASSIC});
    for (method, path) in [
        ("PUT", "/v1/secrets/labels-token"),
        ("PUT", "/v1/secrets/another"),
        ("GET", "/v1/rotations/labels-token"),
        ("POST", "/v1/rotations/labels-token"),
    ] {
        let (code, refused) = dev.ask(method, path, &value).await;
        assert_eq!((code, &refused["code"]), (403, &json!("denied")), "{path}");
        let detail = refused["detail"].as_str().unwrap();
        assert!(
            detail.starts_with("this is `tokend --dev`, which takes no value"),
            "{detail}"
        );
    }
    let found = support::canary::files_with(dev.place.home(), support::canary::CLASSIC);
    assert_eq!(found, [""; 0]);
}

#[tokio::test]
async fn it_reads_and_writes_no_other_place_whatever_policies_and_operators_name() {
    let dev = Dev::start().await;
    let outside = dev.base.path().join("real-token");
    fs::write(&outside, support::canary::CLASSIC).unwrap();
    fs::set_permissions(&outside, Permissions::from_mode(0o600)).unwrap();
    let file = format!("file:{}", outside.display());
    for (number, source) in [
        &file,
        "keyring:mine",
        "op://v/i/f",
        "env:PATH",
        "credential:x",
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("mine-{number}");
        dev.write_policy(
            &format!("{name}.toml"),
            &format!(
                "purpose = '{name}'\nsecret = '{name}'\ndeliver = 'raw'\nrepositories = ['acme/*']\n\
                 permissions = {{ issues = 'read' }}\nttl = {{ default = '1m', max = '1m' }}\n\
                 [[allow]]\ncaller = {{ uid = {} }}\n",
                geteuid()
            ),
        );
        dev.write_policy(
            &format!("secret-{name}.toml"),
            &format!("[secret.{name}]\nkind = 'classic'\nsource = '{source}'\n"),
        );
        let (code, reloaded) = dev.ask("POST", "/v1/policies/reload", &Value::Null).await;
        assert_eq!(code, 200, "{reloaded}");
        let (code, refused) = dev.lease(json!({"purpose": name})).await;
        assert_eq!(
            (code, &refused["code"]),
            (502, &json!("source_unavailable")),
            "{source}"
        );
    }
    let (_, probed) = dev.ask("POST", "/v1/sources/probe", &Value::Null).await;
    for one in probed["sources"].as_array().unwrap() {
        assert_eq!(
            one["fault"],
            "this is `tokend --dev`: it has no value but those that it made up, in its own vault, and reads and \
             writes no other place"
        );
    }
    let to = dev.base.path().join("written");
    let to = json!({"to": format!("file:{}", to.display())});
    let (code, refused) = dev.ask("POST", "/v1/secrets/labels-token/move", &to).await;
    assert!(code >= 400, "{refused}");
    assert!(!dev.base.path().join("written").exists());
    let (code, refused) = dev
        .ask("POST", "/v1/rekey", &json!({"root_key": "keyring"}))
        .await;
    assert_eq!(
        (code, &refused["code"]),
        (409, &json!("conflict")),
        "{refused}"
    );
    assert_eq!(
        refused["detail"],
        "this is `tokend --dev`, which uses no keyring; its root key stays in a file",
        "and nothing about a session's keyring"
    );
}

#[tokio::test]
async fn no_file_of_configuration_makes_a_broker_one() {
    let dev = Dev::start().await;
    let config = startup::configured(&dev.app.places).unwrap();
    assert!(!config.is_dev() && dev.app.config.is_dev());
}

/// Says which thread wrote.
struct ByThread(tokio::sync::mpsc::UnboundedSender<std::thread::ThreadId>);

impl Write for ByThread {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let by = std::thread::current().id();
        self.0.send(by).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_lines_to_try_are_not_written_by_the_thread_that_serves_which_a_full_pipe_would_stop() {
    let (wrote, mut by) = tokio::sync::mpsc::unbounded_channel();
    print(ByThread(wrote), "to try\n".to_owned());
    assert_ne!(by.recv().await.unwrap(), std::thread::current().id());
}

#[test]
fn a_made_up_value_says_what_it_is_and_has_not_githubs_checksum() {
    for (_, value) in VALUES {
        let (body, checksum) = value.strip_prefix("ghp_").unwrap().split_at(30);
        assert!(
            body.contains("MadeUp") && body.contains("NotAReal"),
            "{value}"
        );
        assert_ne!(checksum, base62(crc32(body.as_bytes())), "{value}");
    }
    // GitHub's own form: a token that has it, from Python's zlib.
    assert_eq!(base62(crc32(b"zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ")), "0mLq17");
}

/// The CRC-32 of zlib.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 * (crc & 1))
        })
    };
    !bytes.iter().fold(u32::MAX, step)
}

fn base62(number: u32) -> String {
    let digits = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let digit = |place| char::from(digits[(number / 62_u32.pow(place) % 62) as usize]);
    (0..6).rev().map(digit).collect()
}
