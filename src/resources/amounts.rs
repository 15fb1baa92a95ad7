//! Numbers of Kubernetes quantities as the kernel wants them: thousandths, units. Not their grammar, which is `api::quantity`.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// Thousandths, rounded up; 0 for what is not a quantity (validation has refused it long before).
pub fn milli(quantity: &Quantity) -> i64 {
    crate::api::quantity::Quantity::of(quantity).milli_value()
}

/// Units (bytes, CPUs), rounded up.
pub fn value(quantity: &Quantity) -> i64 {
    crate::api::quantity::Quantity::of(quantity).value()
}
