//! Statuses computed from what recordings of the upstream kubelet observed must be those it showed.
