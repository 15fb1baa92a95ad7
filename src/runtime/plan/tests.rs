//! Tables of plans.
