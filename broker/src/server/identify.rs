//! Who connected, without keeping anyone else waiting for the answer.

use std::io;
use std::os::fd::AsFd as _;
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::HEAD_LIMIT;
use super::admission::Rank;
use crate::caller::{Account, Peer, PeerError, ProcEnv};
use crate::config::Config;
use crate::connection::Connection;
use crate::policies::Policies;

/// Says who is on the other end of a connection just accepted.
pub(crate) struct Identify {
    config: Arc<Config>,
    policies: Arc<Policies>,
    pub(super) proc_env: Arc<ProcEnv>,
    /// So many at once; connections of one program mostly wait for the first to have read it.
    turns: Semaphore,
    turns_of_operators: Semaphore,
}

impl Identify {
    pub(crate) fn new(config: Arc<Config>, policies: Arc<Policies>, proc_env: ProcEnv) -> Self {
        Self {
            config,
            policies,
            proc_env: Arc::new(proc_env),
            turns: Semaphore::new(TURNS),
            turns_of_operators: Semaphore::new(TURNS_OF_OPERATORS),
        }
    }

    pub(super) fn rank(&self, account: &Account) -> Rank {
        let operators = &self.config.operators;
        match account.uid {
            0 => Rank::Root,
            uid if operators.include(uid, account.gid, &account.groups) => Rank::Operator,
            _ => Rank::Caller,
        }
    }

    /// In a thread of its own: a program may be on a file server that does not answer, and the first
    /// connection of each program may have to wait until its file has been read.
    pub(super) async fn peer(
        &self,
        connection: &Connection,
        rank: Rank,
    ) -> Result<Peer, PeerError> {
        let unidentified = PeerError::Unidentified;
        let programs = self.policies.programs();
        let socket = connection.as_fd().try_clone_to_owned();
        let socket = socket.map_err(unidentified)?;
        let proc_env = Arc::clone(&self.proc_env);
        let turns = match rank {
            Rank::Caller => &self.turns,
            Rank::Operator | Rank::Root => &self.turns_of_operators,
        };
        let identified = async {
            let _turn = turns.acquire().await;
            let identify = move || Peer::of(&socket, &proc_env, programs);
            tokio::task::spawn_blocking(identify).await
        };
        match tokio::time::timeout(HEAD_LIMIT, identified).await {
            Ok(Ok(peer)) => peer,
            Ok(Err(panic)) => Err(unidentified(panic.into())),
            Err(_elapsed) => {
                let why =
                    "reading its program took too long; does the file server it is on answer?";
                Err(unidentified(io::Error::new(io::ErrorKind::TimedOut, why)))
            }
        }
    }
}

/// How many callers are identified at once.
const TURNS: usize = 8;
/// And how many operators beside them: programs of others, on file servers that do not answer, must
/// not keep the kill switch waiting.
const TURNS_OF_OPERATORS: usize = 4;
