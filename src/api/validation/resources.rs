//! Requests and limits: which resources there are, which amounts are sound, and that requests fit their limits.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{ResourceClaim, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;

use super::{Errors, FieldError, invalid_each, names, require};
use crate::api::quantity::Quantity;

/// Resource names without a prefix that the API knows anywhere.
const STANDARD: [&str; 20] = [
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.storage",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "storage",
    "services.nodeports",
    "services.loadbalancers",
];
/// Those that count whole objects.
const COUNTED: [&str; 9] = [
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "services.nodeports",
    "services.loadbalancers",
];

/// How names of a list of resources are checked.
type NameCheck = fn(&mut Errors, &str, &str);

/// Checks a container's `resources`.
pub(super) fn container(out: &mut Errors, path: &str, resources: &ResourceRequirements, claims: &[&str]) {
    requirements(out, path, resources, claims, container_name);
}

/// Checks requests and limits with the given rule for names.
pub(super) fn requirements(
    out: &mut Errors,
    path: &str,
    resources: &ResourceRequirements,
    claims: &[&str],
    name_check: NameCheck,
) {
    let none = BTreeMap::new();
    let limits = resources.limits.as_ref().unwrap_or(&none);
    let requests = resources.requests.as_ref().unwrap_or(&none);
    list(out, &format!("{path}.limits"), limits, name_check);
    let all = format!("{path}.requests");
    for (name, request) in requests {
        let one = BTreeMap::from([(name.clone(), request.clone())]);
        list(out, &all, &one, name_check);
        let shown = Quantity::shown(&request.0);
        let request = Quantity::of(request);
        match limits.get(name).map(|limit| (Quantity::of(limit), Quantity::shown(&limit.0))) {
            Some((limit, most)) if request != limit && !overcommits(name) => {
                out.push(FieldError::invalid(&all, &shown, format!("must be equal to {name} limit of {most}")));
            }
            Some((limit, most)) if request > limit => out.push(FieldError::invalid(
                &all,
                &shown,
                format!("must be less than or equal to {name} limit of {most}"),
            )),
            None if !overcommits(name) => out.push(FieldError::required(
                &format!("{path}.limits"),
                "Limit must be set for non overcommitable resources",
            )),
            _ => {}
        }
    }
    let any = |wanted: fn(&str) -> bool| limits.keys().chain(requests.keys()).any(|name| wanted(name));
    if any(is_huge) && !any(|name| matches!(name, "cpu" | "memory")) {
        out.push(FieldError::forbidden(path, "HugePages require cpu or memory"));
    }
    claim_names(out, &format!("{path}.claims"), resources.claims.as_deref().unwrap_or_default(), claims);
}

/// Checks `overhead`, which upstream reports as limits.
pub(super) fn overhead(out: &mut Errors, overhead: &BTreeMap<String, ApiQuantity>) {
    list(out, "spec.overhead.limits", overhead, container_name);
    if overhead.keys().any(|name| is_huge(name)) && !overhead.keys().any(|name| name == "cpu" || name == "memory") {
        out.push(FieldError::forbidden("spec.overhead", "HugePages require cpu or memory"));
    }
}

fn list(out: &mut Errors, path: &str, list: &BTreeMap<String, ApiQuantity>, name_check: NameCheck) {
    for (name, quantity) in list {
        let path = format!("{path}[{name}]");
        name_check(out, &path, name);
        amount(out, &path, name, quantity);
    }
}

fn amount(out: &mut Errors, path: &str, name: &str, quantity: &ApiQuantity) {
    let (shown, quantity) = (Quantity::shown(&quantity.0), Quantity::of(quantity));
    if quantity.sign() < 0 {
        out.push(FieldError::invalid(path, &shown, "must be greater than or equal to 0"));
    }
    if (COUNTED.contains(&name) || is_extended(name)) && !quantity.is_whole() {
        out.push(FieldError::invalid(path, &shown, "must be an integer"));
    }
    if let Some(size) = name.strip_prefix("hugepages-") {
        let size = Quantity::parse(size).map_or(0, Quantity::value);
        if size <= 0 || quantity.value() % size != 0 {
            out.push(FieldError::invalid(path, &shown, format!("{shown} is not positive integer multiple of {name}")));
        }
    }
}

fn container_name(out: &mut Errors, path: &str, name: &str) {
    any_name(out, path, name);
    if !name.contains('/') {
        if !matches!(name, "cpu" | "memory" | "ephemeral-storage") && !is_huge(name) {
            out.push(FieldError::invalid_word(path, name, "must be a standard resource for containers"));
        }
    } else if !is_native(name) && !is_extended(name) {
        out.push(FieldError::invalid_word(path, name, "doesn't follow extended resource name standard"));
    }
}

/// What every name of a resource must be; whether it is.
pub(super) fn any_name(out: &mut Errors, path: &str, name: &str) -> bool {
    let before = out.len();
    out.extend(names::qualified(name).into_iter().map(|why| FieldError::invalid_word(path, name, why)));
    let standard =
        name.contains('/') || STANDARD.contains(&name) || is_huge(name) || name.starts_with("requests.hugepages-");
    if out.len() == before && !standard {
        out.push(FieldError::invalid_word(path, name, "must be a standard resource type or fully qualified"));
    }
    out.len() == before
}

fn is_huge(name: &str) -> bool {
    name.starts_with("hugepages-")
}

fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

fn is_extended(name: &str) -> bool {
    !is_native(name) && !name.starts_with("requests.") && names::qualified(&format!("requests.{name}")).is_empty()
}

/// Whether a request may be smaller than its limit.
fn overcommits(name: &str) -> bool {
    is_native(name) && !is_huge(name)
}

fn claim_names(out: &mut Errors, path: &str, claims: &[ResourceClaim], known: &[&str]) {
    let mut seen = BTreeSet::new();
    for (index, claim) in claims.iter().enumerate() {
        let at = format!("{path}[{index}]");
        if !require(out, &at, &claim.name) {
            continue;
        }
        let (name, request) = (claim.name.as_str(), claim.request.as_deref().unwrap_or_default());
        if seen.contains(&(name, "")) {
            out.push(FieldError::duplicate(&at, name));
        } else {
            if !request.is_empty() {
                invalid_each(out, &format!("{at}.request"), request, names::label(request));
            }
            if !seen.insert((name, request)) {
                out.push(FieldError::duplicate(&at, &format!("{name}/{request}")));
            } else if request.is_empty() {
                // Once for each of its requests that is named already.
                let overlaps = seen.iter().filter(|(other, part)| *other == name && !part.is_empty()).count();
                out.extend((0..overlaps).map(|_| FieldError::duplicate(&at, name)));
            }
        }
        let known: BTreeSet<&str> = known.iter().copied().filter(|name| !name.is_empty()).collect();
        if !known.contains(name) {
            let end = match known.is_empty() {
                true => " which is empty".to_owned(),
                false => format!(": {}", known.into_iter().collect::<Vec<_>>().join(", ")),
            };
            out.push(FieldError::not_found(
                &at,
                &claim.name,
                format!("must be one of the names in pod.spec.resourceClaims{end}"),
            ));
        }
    }
}
