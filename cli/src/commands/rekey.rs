//! `rekey`: a new root key, without a lease being interrupted.

use std::io::BufRead as _;
use std::os::fd::AsFd as _;

use broker_protocol::api::{CredentialWanted, Rekey as RekeyBody, Rekeyed, Status};
use broker_protocol::client::Request;
use broker_protocol::counted::counted;
use nix::poll::{PollFd, PollFlags, poll};
use zeroize::{Zeroize as _, Zeroizing};

use crate::args::{Rekey, RootKey, word};
use crate::broker::Broker;
use crate::error::Failure;
use crate::passphrase;
use crate::ui;

/// Has the broker change the root key, and where it is kept.
pub(crate) fn run(broker: &Broker, asked: &Rekey, json: bool) -> Result<(), Failure> {
    let mut body = RekeyBody {
        root_key: asked.root_key.as_ref().map(word),
        passphrase: None,
        recovery: None,
    };
    if asked.recovery || asked.root_key.is_some() {
        let status: Status = broker.read("/v1/status")?;
        let all = status.broker.as_ref();
        let in_force = all.is_some_and(|all| all.root_key == "passphrase");
        let becomes = asked.root_key == Some(RootKey::Passphrase);
        if becomes && !in_force && all.is_some() {
            body.passphrase = Some(read("Passphrase", true)?);
        } else if becomes && in_force && !asked.recovery {
            refuse_another_passphrase()?;
        }
        if asked.recovery {
            let root_key = all.map(|all| &all.root_key_in_force);
            let first = root_key.is_some_and(|key| !key.recovery);
            body.recovery = Some(read("Recovery passphrase", first)?);
        }
    }
    let request = Request::new("POST", "/v1/rekey").json(&body);
    body.passphrase.zeroize();
    body.recovery.zeroize();
    // To the broker, which puts the next root key behind them.
    let answer = broker.send_secret(&request?)?;
    if answer.status == 202 {
        return wanted(&answer.json()?, json, &answer.body);
    }
    let done: Rekeyed = answer.json()?;
    if json {
        ui::json(&answer.body)?;
    } else {
        ui::line(format_args!(
            "re-keyed: version {} of the root key, from the {}; {} under it",
            done.version,
            done.root_key,
            counted(done.data_keys, "data key")
        ))?;
    }
    if let Some(left) = done.left {
        ui::note(format_args!("left to do: {left}"));
    }
    Ok(())
}

/// The root key is behind a passphrase already, and a re-key keeps that one: an operator who enters another
/// must not think that it opens the vault from now on.
fn refuse_another_passphrase() -> Result<(), Failure> {
    if ui::stdin_is_terminal() {
        ui::note("the root key is behind a passphrase already, which stays the same");
        return Ok(());
    }
    // A pipe that stays open and gives nothing brings none either.
    let stdin = std::io::stdin();
    let mut asked = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
    if poll(&mut asked, PATIENCE).is_ok_and(|ready| ready == 0) {
        return Ok(());
    }
    let line = Zeroizing::new(next_line()?);
    if line.trim().is_empty() {
        return Ok(());
    }
    Err(Failure::Usage(
        "the root key is behind a passphrase already, and a re-key keeps that one; nothing is changed. \
         For another one: `tokenctl rekey --root-key file`, then `tokenctl rekey --root-key passphrase`"
            .to_owned(),
    ))
}

/// How long to wait for a passphrase that was not asked for, in milliseconds.
const PATIENCE: u8 = 200;

fn next_line() -> Result<String, Failure> {
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    read.map_err(|error| Failure::new(format!("cannot read stdin: {error}")))?;
    Ok(line)
}

fn wanted(wanted: &CredentialWanted, json: bool, body: &[u8]) -> Result<(), Failure> {
    if json {
        ui::json(body)?;
    } else {
        for step in &wanted.steps {
            ui::line(step)?;
        }
    }
    Err(Failure::Waiting(format!(
        "nothing is changed yet: the broker has no credential `{}`; run the commands above as root",
        wanted.credential
    )))
}

/// From the terminal, twice if it is new; or the next line of stdin.
fn read(what: &str, new: bool) -> Result<String, Failure> {
    let text = if !ui::stdin_is_terminal() {
        Zeroizing::new(next_line()?)
    } else if new {
        passphrase::ask_new(what)?
    } else {
        ui::ask_secretly(what)?
    };
    let what = what.to_lowercase();
    let mut text = if new {
        passphrase::chosen(text, &what)?
    } else {
        passphrase::known(text, &what)?
    };
    Ok(std::mem::take(&mut *text))
}
