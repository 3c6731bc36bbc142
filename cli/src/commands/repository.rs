//! `repository`: which repository a name means, and forgetting it.

use broker_protocol::api::{PinnedRepository, RepositoryList};
use broker_protocol::client::Request;

use crate::args::RepositoryCommand;
use crate::broker::Broker;
use crate::error::Failure;
use crate::ui::{self, List};

const REPOSITORIES: &str = "/v1/repositories";

pub(crate) fn run(broker: &Broker, command: RepositoryCommand, json: bool) -> Result<(), Failure> {
    match command {
        RepositoryCommand::List => ui::answer(&broker.list(REPOSITORIES)?, json, list),
        RepositoryCommand::Unpin { repository } => {
            let path = format!("{REPOSITORIES}/{repository}");
            let answer = broker.send(&Request::new("DELETE", &path))?;
            ui::answer(&answer, json, unpinned)
        }
    }
}

fn list(list: RepositoryList) -> Result<(), Failure> {
    let none = "no pinned repositories; an id is pinned when an App first gets a token for one";
    List::of(&list.repositories)
        .column("REPOSITORY", |pinned| &pinned.repository)
        .column("ID", |pinned| pinned.id)
        .print_or(none)
}

fn unpinned(PinnedRepository { repository, id }: PinnedRepository) -> Result<(), Failure> {
    ui::line(format_args!(
        "{repository} is no longer pinned to repository {id}; the next token for it is requested by name, and pins the id it has then"
    ))
}
