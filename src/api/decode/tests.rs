//! Decoding tables.
