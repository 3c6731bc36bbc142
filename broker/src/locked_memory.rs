//! locked_memory
