//! TLS in front of a server that speaks without.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

use crate::github::tls;

/// What listens until it is dropped.
pub struct TlsFront {
    address: SocketAddr,
    directory: TempDir,
    _runtime: Runtime,
}

impl TlsFront {
    /// Before the server at `HOST:PORT`.
    pub fn before(server: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let acceptor = tls::acceptor(&ca(directory.path()));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let server = server.to_owned();
        runtime.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, server) = (acceptor.clone(), server.clone());
                tokio::spawn(async move {
                    let mut client = acceptor.accept(stream).await?;
                    let mut server = TcpStream::connect(server).await?;
                    // However one side ends, the other does.
                    copy_bidirectional(&mut client, &mut server).await
                });
            }
        });
        Self {
            address,
            directory,
            _runtime: runtime,
        }
    }

    /// `127.0.0.1:PORT`.
    #[must_use]
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// The certificate authority to trust.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        ca(self.directory.path())
    }
}

fn ca(directory: &Path) -> PathBuf {
    directory.join("ca.pem")
}
