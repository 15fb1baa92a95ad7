//! Which pods make way for one that the node has no room for. Pure. As kubelet 1.36's preemption: every static pod is critical, so only
//! those go whose manifest says a lower priority than the newcomer's does.
//!
//! Guaranteed pods go last: as few of them as all others leave to be done, then as few Burstable ones, then BestEffort ones. Of a class,
//! whoever brings the node nearest to what is missing goes first; of two that bring it equally near, the smaller.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;

use super::neighbours::{self, Neighbours};
use crate::api::{
    pod::spec,
    qos::{self, QosClass},
};

/// A resource of which there is not enough, and by how much: `pods`, `cpu` in thousandths, all others in bytes.
pub type Missing = (String, i64);

fn request(pod: &Pod, resource: &str) -> i64 {
    match resource {
        "pods" => 1,
        _ => neighbours::requests(pod).get(resource).copied().unwrap_or_default(),
    }
}

/// What is still missing once `gone` are gone.
fn without<'a>(missing: &[Missing], gone: impl IntoIterator<Item = &'a Arc<Pod>> + Clone) -> Vec<Missing> {
    let left = missing.iter().map(|(resource, amount)| {
        let freed = gone.clone().into_iter().fold(0_i64, |sum, pod| sum.saturating_add(request(pod, resource)));
        (resource.clone(), amount.saturating_sub(freed))
    });
    left.filter(|(_, amount)| *amount > 0).collect()
}

/// How far the node stays from having enough if only this pod goes; each resource counts alike.
#[expect(clippy::cast_precision_loss, reason = "a measure, compared with others of its kind")]
fn distance(missing: &[Missing], pod: &Pod) -> f64 {
    let parts = missing.iter().map(|(resource, amount)| {
        let rest = amount.saturating_sub(request(pod, resource)).max(0);
        (rest as f64 / *amount as f64).powi(2)
    });
    parts.sum()
}

/// Takes pods of one class until nothing is missing.
fn take(mut pods: Vec<Arc<Pod>>, missing: &[Missing]) -> Result<Vec<Arc<Pod>>, Vec<Missing>> {
    let mut missing = missing.to_vec();
    let mut taken = Vec::new();
    while !missing.is_empty() {
        let size = |pod: &Pod| (request(pod, "memory"), request(pod, "cpu"));
        let nearer = |a: &Arc<Pod>, b: &Arc<Pod>| {
            distance(&missing, a).total_cmp(&distance(&missing, b)).then_with(|| size(a).cmp(&size(b)))
        };
        let Some(index) = (0..pods.len()).min_by(|&a, &b| nearer(&pods[a], &pods[b])) else { return Err(missing) };
        let pod = pods.remove(index);
        missing = without(&missing, [&pod]);
        taken.push(pod);
    }
    Ok(taken)
}

/// The pods of `others` that make way for `pod`.
///
/// # Errors
/// What would still be missing if all went that may.
pub fn victims(pod: &Pod, others: &Neighbours, missing: &[Missing]) -> Result<Vec<Arc<Pod>>, Vec<Missing>> {
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let others = others.pods();
    let below = |other: &Pod| spec(pod).priority.zip(spec(other).priority).is_some_and(|(own, others)| own > others);
    let of = |class: QosClass| -> Vec<Arc<Pod>> {
        others.iter().filter(|other| below(other) && qos::class(other) == class).cloned().collect()
    };
    let (best_effort, burstable, guaranteed) =
        (of(QosClass::BestEffort), of(QosClass::Burstable), of(QosClass::Guaranteed));
    let never = without(missing, best_effort.iter().chain(&burstable).chain(&guaranteed));
    if !never.is_empty() {
        return Err(never);
    }
    let guaranteed = take(guaranteed, &without(missing, best_effort.iter().chain(&burstable)))?;
    let burstable = take(burstable, &without(missing, best_effort.iter().chain(&guaranteed)))?;
    let best_effort = take(best_effort, &without(missing, burstable.iter().chain(&guaranteed)))?;
    Ok([best_effort, burstable, guaranteed].concat())
}
