//! The promises, tested with the real binaries. One module per promise area.

mod accounts;
mod exec;
mod git;
mod layers;
mod leaks;
