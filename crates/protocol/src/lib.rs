//! What the broker and its callers say to each other.
//!
//! Names that are parsed once and are valid ever after ([`names`]), the bodies of HTTP API v1
//! ([`api`], [`check`], [`moving`], [`rotation`]) and the one way in which they are read ([`strict`]), the stable words
//! a program may match on ([`error`]), where values come from ([`source`]), how passphrases and values are read
//! ([`as_read`], [`value_form`], [`token_shape`]), what is not repeated of an argument ([`argument_mask`]), how bytes are
//! spelled ([`hex`]), how text is shown ([`printable`], [`counted`], [`similar`]), the permissions that GitHub documents
//! ([`permissions`]), where things are stored on disk ([`paths`]), who has a store open ([`holder`]) and how things get
//! on disk ([`whole_file`]). Both sides link this crate, and neither links the other.
//!
//! Not here: decisions, secrets, the audit log's format (that is `broker-audit`).

mod address;
pub mod api;
pub mod argument_mask;
pub mod as_read;
pub mod causes;
pub mod check;
pub mod client;
pub mod counted;
pub mod duration;
pub mod error;
pub mod hex;
pub mod holder;
pub mod moving;
pub mod names;
pub mod paths;
pub mod permissions;
pub mod printable;
pub mod rotation;
pub mod similar;
pub mod source;
pub mod strict;
pub mod token_shape;
pub mod value_form;
pub mod whole_file;
pub mod wiped;
