//! Images of containers: policies, pulls, back-off, collection, and the events about them.

pub mod collector;
pub mod gc;
pub mod manager;
pub mod names;
pub mod pulls;

pub use manager::{ImageError, ImageManager, ImageRequest};
