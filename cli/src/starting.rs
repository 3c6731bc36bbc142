//! Waits a moment for a broker that is about to listen: at a terminal, where `tokend &` was typed just before, and
//! while a broker holds the store. A script without a broker is refused at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use broker_protocol::client::{ClientError, Connection};
use broker_protocol::holder::Holder;
use broker_protocol::paths::Paths;

use crate::{clock, ui};

/// Connects to the broker of these places. A command that asks several times waits once.
pub(crate) fn connect(places: &Paths) -> Result<Connection, ClientError> {
    let first = !WAITED.load(Ordering::Relaxed);
    let comes = || first && (ui::stderr_is_terminal() || is_held(places));
    wait_for(
        || Ok(Connection::open(&places.socket)?.if_dev(ui::note_dev)),
        comes,
        |step| {
            WAITED.store(true, Ordering::Relaxed);
            clock::pause(step);
        },
    )
}

static WAITED: AtomicBool = AtomicBool::new(false);

/// Whether a broker that will listen on this socket has the store. A service's store is not to be seen by callers:
/// there systemd listens.
fn is_held(places: &Paths) -> bool {
    Holder::noted(&places.data).is_some_and(|holder| holder.socket() == places.socket)
}

/// Tries again while one may come. `pause` waits.
fn wait_for<T>(
    mut open: impl FnMut() -> Result<T, ClientError>,
    comes: impl Fn() -> bool,
    mut pause: impl FnMut(Duration),
) -> Result<T, ClientError> {
    let mut waited = Duration::ZERO;
    loop {
        match open() {
            Err(ClientError::NotThere(_) | ClientError::Deserted(_))
                if waited < LONGEST && comes() =>
            {
                pause(STEP);
                waited += STEP;
            }
            opened => return opened,
        }
    }
}

const LONGEST: Duration = Duration::from_secs(2);
const STEP: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::path::Path;

    use super::*;

    fn not_there<T>() -> Result<T, ClientError> {
        Err(ClientError::NotThere("/s".into()))
    }

    /// How long it was waited for one that listens after so long, and whether it was found.
    fn waited(listens: Duration, comes: bool) -> (Duration, bool) {
        let now = Cell::new(Duration::ZERO);
        let open = || match now.get() >= listens {
            true => Ok(()),
            false => not_there(),
        };
        let found = wait_for(open, || comes, |step| now.set(now.get() + step));
        (now.get(), found.is_ok())
    }

    #[test]
    fn one_that_may_come_is_waited_for_two_seconds_and_no_other_at_all() {
        assert_eq!(waited(Duration::ZERO, false), (Duration::ZERO, true));
        assert_eq!(waited(STEP, false), (Duration::ZERO, false));
        assert_eq!(waited(2 * STEP, true), (2 * STEP, true));
        assert_eq!(waited(LONGEST, true), (LONGEST, true));
        assert_eq!(waited(LONGEST + STEP, true), (LONGEST, false));
    }

    #[test]
    fn a_socket_that_may_not_be_used_is_not_waited_for() {
        let mut pauses = 0;
        let forbidden = || Err::<(), _>(ClientError::Forbidden("/s".into()));
        assert!(wait_for(forbidden, || true, |_| pauses += 1).is_err());
        assert_eq!(pauses, 0);
    }

    #[test]
    fn a_broker_that_has_the_store_and_this_socket_is_about_to_listen() {
        let home = tempfile::tempdir().unwrap();
        let places = Paths::below(home.path());
        assert!(!is_held(&places));
        Holder::this(Path::new("/elsewhere"))
            .note(&places.data)
            .unwrap();
        assert!(!is_held(&places));
        Holder::this(&places.socket).note(&places.data).unwrap();
        assert!(is_held(&places));
    }
}
