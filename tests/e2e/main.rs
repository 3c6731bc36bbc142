//! The promises, tested with the real binaries. One module per promise area.

mod git;
mod layers;
