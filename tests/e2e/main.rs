//! The promises, tested with the real binaries. One module per promise area.

#![expect(clippy::unwrap_used, reason = "test code: a panic is how a test fails")]

mod layers;
