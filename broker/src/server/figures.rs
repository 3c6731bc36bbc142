//! The figures over TCP, for scrapers.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tower::ServiceExt as _;

use super::requests::http;
use super::service::Bodies;
use super::{HEAD_LIMIT, until_stopped};

/// Serves the figures over TCP, to every program that can connect: few at once, each for a minute at most.
pub(crate) async fn serve_metrics(
    listener: TcpListener,
    figures: Router,
    mut stop: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(SCRAPERS));
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            next = next => next,
            () = until_stopped(&mut stop) => return,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::error!(cause = %error, "a scraper's connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let figures = figures.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                figures.clone().oneshot(request.map(Body::new))
            });
            let serving =
                http(Bodies::Short, HEAD_LIMIT).serve_connection(TokioIo::new(stream), service);
            if tokio::time::timeout(SCRAPE_LIMIT, serving).await.is_err() {
                tracing::debug!("a scraper's connection was closed after its minute");
            }
            drop(place);
        });
    }
}

/// Connections to the figures over TCP.
const SCRAPERS: usize = 16;
/// How long one of them lasts.
const SCRAPE_LIMIT: Duration = Duration::from_secs(60);
