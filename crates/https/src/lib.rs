//! HTTPS to a place that is given a credential: what every such place has in common.
//!
//! No redirect is followed, no proxy is taken from the environment, nothing is tried twice by itself.
//! The TLS client is built at first use, on a thread that may block: it reads every certificate
//! authority of the machine, which costs time and a few megabytes that a broker at rest does not need.
//! A pool is for calls, each with a time limit, or for streams, which have none.
//!
//! Buffers that may hold a secret are wiped where they are ours: the header, the body sent and the
//! body received. Copies inside the HTTP and TLS libraries are not ours to wipe: they go with
//! their connection, when it was idle for some seconds or with [`Https::close_idle`].
//!
//! Not here: what is asked, and what an answer means.

mod address;
mod authorities;
mod body;
mod header;
mod no_answer;
mod pool;

pub use self::address::{BadAddress, is_loopback, parse_address, require_private};
pub use self::authorities::authorities;
pub use self::body::{BodyError, json_body, whole_body};
pub use self::header::{basic, bearer, retry_after};
pub use self::no_answer::{NoAnswer, NotReached, Unreachable};
pub use self::pool::{CannotBuild, Https};
