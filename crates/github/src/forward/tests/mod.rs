//! Forwarding to a server that each test plays by hand, on plain TCP.

mod exchange;
mod git;
mod headers;
mod limits;
mod streams;
mod upstream;
mod waits;

use self::upstream::{Upstream, body, refused};
use super::*;
