//! What several tests begin with: who there is at GitHub, and policies to go with it. A test puts a broker in
//! between, in a process of its own or in the test's.

pub mod app;
pub mod checks;
pub mod exec;
pub mod four_tokens;
pub mod graphql;
pub mod leases;
pub mod limits;
pub mod log;
pub mod rotation;
pub mod warnings;
