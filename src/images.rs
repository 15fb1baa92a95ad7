//! Images of containers: policies, pulls, back-off, and the events about them. Not image collection.

pub mod manager;
pub mod names;
pub mod pulls;

pub use manager::{ImageError, ImageManager, ImageRequest};
