//! `POST /graphql`, answered from GitHub's own public schema.
//!
//! A library reads the document, holds it against the schema and carries it out; what is here says only what a
//! field of an object is. So a document that gets through gets all that it asks for, whoever wrote it.
//!
//! ```text
//!   schema      GitHub's schema, read once in a process                     schema.rs
//!   Thing       what stands behind an object, its id, what it belongs to    thing.rs, home.rs
//!   fields/     the fields that the state has something for
//!   made        all others, by their type alone                             made.rs, default.rs
//!   mutations/  what changes the state
//!   Touched     what was read and what was changed, for tests               touched.rs
//! ```
//!
//! What a field gives for which there is no state follows from its type: nothing where that may be, an empty
//! connection, a zero, a text. With [`Settings::leads_out`](super::Settings) it gives more: wherever the schema lets
//! a field lead to an object, there is one, and if there is a choice it is one that stands elsewhere.
//!
//! Source: GitHub documentation, “Forming calls with GraphQL”, “Rate limits and query limits for the GraphQL API”.

mod access;
mod arguments;
mod call;
mod cost;
mod default;
mod error;
mod fields;
mod found;
mod home;
mod made;
mod mutations;
mod object;
mod pages;
mod post;
mod schema;
mod thing;
mod touched;

pub use home::Home;
pub(crate) use made::Made;
pub use touched::{Changed, Read, Touched};
