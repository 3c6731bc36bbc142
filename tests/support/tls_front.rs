//! TLS in front of a server that speaks without.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;

use crate::github::tls;
use crate::loopback::Loopback;

/// What listens until it is dropped.
pub struct TlsFront {
    front: Loopback,
    directory: TempDir,
}

impl TlsFront {
    /// Before the server at `HOST:PORT`.
    pub fn before(server: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let acceptor = tls::acceptor(&ca(directory.path()));
        let server = server.to_owned();
        let front = Loopback::serve(move |stream| {
            let (acceptor, server) = (acceptor.clone(), server.clone());
            async move {
                let mut client = acceptor.accept(stream).await?;
                let mut server = TcpStream::connect(server).await?;
                // However one side ends, the other does.
                copy_bidirectional(&mut client, &mut server).await
            }
        });
        Self { front, directory }
    }

    /// `127.0.0.1:PORT`.
    #[must_use]
    pub fn host(&self) -> String {
        self.front.address.to_string()
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
