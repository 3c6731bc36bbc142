//! The daemon's own subcommands: what needs no running broker.

pub mod init;
pub mod policy;
