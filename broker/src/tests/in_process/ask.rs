//! Requests to a broker in this process, over either of its sockets.

use std::sync::Arc;

use axum::body::Body;
use axum::http::header::CONTENT_LENGTH;
use axum::http::{Method, Request};
use axum::response::Response;
use broker_policy::Caller;
use http_body_util::BodyExt as _;
use support::http::Answer;
use tokio::task::JoinHandle;

use super::{InProcess, Running};
use crate::api::Api;
use crate::caller::Peer;
use crate::proxy::{Proxy, Tunnel};

impl InProcess {
    /// One request by this process.
    pub(crate) fn http(&self, method: &str, path: &str, body: &str) -> Answer {
        self.http_by(Arc::clone(&self.running().peer), method, path, body)
    }

    /// One request by an account.
    pub(crate) fn http_as(&self, uid: u32, method: &str, path: &str, body: &str) -> Answer {
        self.http_by(pretended(uid), method, path, body)
    }

    fn http_by(&self, peer: Arc<Peer>, method: &str, path: &str, body: &str) -> Answer {
        let running = self.running();
        running.run(ask(running.api.clone(), request(peer, method, path, body)))
    }

    /// One request by this process, not waited for. It is gone with the broker.
    pub(crate) fn begin(&self, method: &str, path: &str, body: &str) -> JoinHandle<Answer> {
        let Running {
            api, runtime, peer, ..
        } = self.running();
        let request = request(Arc::clone(peer), method, path, body);
        runtime.spawn(ask(api.clone(), request))
    }

    /// Waits for the answer to what was begun.
    #[track_caller]
    pub(crate) fn finished(&self, begun: JoinHandle<Answer>) -> Answer {
        self.running().run(begun).unwrap()
    }

    /// One request by this process over the proxy's socket.
    pub(crate) fn proxied(&self, request: Request<Body>) -> Answer {
        let running = self.running();
        running.run(ask_proxy(
            running.proxy.clone(),
            Arc::clone(&running.peer),
            request,
        ))
    }

    /// The same, with the answer taken as a server takes it for its client: as long as it says it is, without a look
    /// whether there is more.
    pub(crate) fn proxied_by_length(&self, mut request: Request<Body>) {
        let running = self.running();
        running.run(async {
            let has_body = request.method() != Method::HEAD;
            request.extensions_mut().insert(Arc::clone(&running.peer));
            let (head, mut body) = running.proxy.answer(request).await.into_parts();
            let length = head.headers.get(CONTENT_LENGTH).filter(|_| has_body);
            let mut left = length.map_or(0, |length| length.to_str().unwrap().parse().unwrap());
            while left > 0 {
                let frame = body.frame().await.unwrap().unwrap();
                left -= frame.into_data().unwrap().len();
            }
        });
    }

    /// The same by an account.
    pub(crate) fn proxied_as(&self, uid: u32, request: Request<Body>) -> Answer {
        let running = self.running();
        running.run(ask_proxy(running.proxy.clone(), pretended(uid), request))
    }

    /// For how many leases the vault keeps the certificate of a tunnel.
    pub(crate) fn kept_tunnels(&self) -> usize {
        let running = self.running();
        let kept = running.run(running.app.vault.leases_with_tunnels());
        kept.unwrap().len()
    }

    /// A tunnel that this process opens.
    pub(crate) fn tunnel(&self, mut connect: Request<Body>) -> Arc<Tunnel> {
        let running = self.running();
        connect.extensions_mut().insert(Arc::clone(&running.peer));
        let mut answer = running.run(running.proxy.answer(connect));
        assert_eq!(answer.status(), 200);
        answer.extensions_mut().remove().unwrap()
    }

    /// The same by this process, not waited for.
    pub(crate) fn begin_proxied(&self, request: Request<Body>) -> JoinHandle<Answer> {
        let Running {
            proxy,
            runtime,
            peer,
            ..
        } = self.running();
        runtime.spawn(ask_proxy(proxy.clone(), Arc::clone(peer), request))
    }
}

/// A process of this account.
fn pretended(uid: u32) -> Arc<Peer> {
    let caller = Caller {
        uid,
        gid: uid,
        ..Caller::default()
    };
    Arc::new(Peer::pretended(caller))
}

fn request(peer: Arc<Peer>, method: &str, path: &str, body: &str) -> Request<Body> {
    let request = Request::builder().method(method).uri(path).extension(peer);
    request.body(Body::from(body.to_owned())).unwrap()
}

async fn ask(api: Api, request: Request<Body>) -> Answer {
    let answer = api.answer(request).await;
    read(answer).await.unwrap()
}

async fn ask_proxy(proxy: Proxy, peer: Arc<Peer>, mut request: Request<Body>) -> Answer {
    request.extensions_mut().insert(peer);
    let answer = proxy.answer(request).await;
    // What a client sees of an answer that is cut off.
    read(answer).await.unwrap_or_else(|cut| Answer {
        status: 0,
        head: String::new(),
        body: cut.to_string().into_bytes(),
    })
}

async fn read(answer: Response) -> Result<Answer, axum::Error> {
    let (parts, body) = answer.into_parts();
    let headers = parts.headers.iter();
    let lines = headers.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
    Ok(Answer {
        status: parts.status.as_u16(),
        head: lines.collect::<Vec<_>>().join("\n"),
        body: body.collect().await?.to_bytes().to_vec(),
    })
}
