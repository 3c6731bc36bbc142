//! Documents that stay within a lease, and those that try to get out.
