//! The stand-in, asked by curl over real TLS: it behaves as the documentation of GitHub says.

mod apps;
mod faults;
mod graphql;
mod labels;
mod lists;
mod places;
mod releases;
mod tokens;
