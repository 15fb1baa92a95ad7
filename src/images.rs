//! Images of containers: policies, credentials, pulls and their records, back-off, collection, and the events about them.

pub mod collector;
pub mod credentials;
pub mod gc;
pub mod manager;
pub mod names;
pub mod pulls;
pub mod records;
pub mod verification;

pub use manager::{ImageError, ImageManager, ImageRequest};
