//! The report, as people see it.
