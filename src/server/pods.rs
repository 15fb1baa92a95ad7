//! `/pods`: the pods the kubelet is asked to run. The form of the list is `api::podlist`'s.

use super::{Site, reply::Reply};
use crate::api::podlist;

/// Answers with the list.
pub(super) fn list(site: &Site) -> Reply {
    Reply::typed("application/json", podlist::render(&site.view.pods()))
}
