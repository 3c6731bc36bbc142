//! `repository`: which repository a name means, and forgetting it.

use broker_protocol::api::{PinnedRepository, RepositoryList};
use broker_protocol::client::Request;
use broker_protocol::names::RepoPattern;

use crate::args::RepositoryCommand;
use crate::broker::Broker;
use crate::error::Failure;
use crate::ui::{self, Table};

const REPOSITORIES: &str = "/v1/repositories";

pub(crate) fn run(broker: &Broker, command: RepositoryCommand, json: bool) -> Result<(), Failure> {
    match command {
        RepositoryCommand::List => list(broker, json),
        RepositoryCommand::Unpin { repository } => unpin(broker, &repository, json),
    }
}

fn list(broker: &Broker, json: bool) -> Result<(), Failure> {
    let answer = broker.list(REPOSITORIES)?;
    if json {
        return ui::json(&answer.body);
    }
    let list: RepositoryList = answer.json()?;
    if list.repositories.is_empty() {
        return ui::line(
            "no pinned repositories; an id is pinned when an App first gets a token for one",
        );
    }
    let mut table = Table::new(&["REPOSITORY", "ID"]);
    for pinned in list.repositories {
        table.row([pinned.repository.to_string(), pinned.id.to_string()]);
    }
    table.print()
}

fn unpin(broker: &Broker, repository: &RepoPattern, json: bool) -> Result<(), Failure> {
    let path = format!("{REPOSITORIES}/{repository}");
    let answer = broker.send(&Request::new("DELETE", &path))?;
    if json {
        return ui::json(&answer.body);
    }
    let PinnedRepository { repository, id } = answer.json()?;
    ui::line(format_args!(
        "{repository} is no longer pinned to repository {id}; the next token for it is requested by name, and pins the id it has then"
    ))
}
