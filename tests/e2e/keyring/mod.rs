//! A real gnome-keyring: with the root key in it, and with values.

mod leases;
mod root_key;
mod values;
