//! A loopback port that is served until it is dropped.

use std::net::{SocketAddr, TcpListener as StdListener};

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// The port, and the thread that serves it.
pub(crate) struct Loopback {
    pub(crate) address: SocketAddr,
    _runtime: Runtime,
}

impl Loopback {
    /// Every connection is served by a task of its own.
    pub(crate) fn serve<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let listener = StdListener::bind("127.0.0.1:0").unwrap();
        Self::serve_on(listener, serve)
    }

    /// The same on a port that is open already.
    pub(crate) fn serve_on<F>(
        listener: StdListener,
        serve: impl Fn(TcpStream) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream));
            }
        });
        Self {
            address,
            _runtime: runtime,
        }
    }
}
