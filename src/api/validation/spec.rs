//! The pod spec as a whole: runs the areas in upstream's order, and checks what belongs to none of them.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Pod, PodDNSConfig, PodSpec};
use serde_json::json;

use super::{Errors, FieldError, affinity, containers, env, invalid_each, invalid_number, metadata, names};
use super::{claims, one_of, os, pod_resources, require, resources, scheduling, security, text, volumes};
use crate::api::{gojson, pod};

/// Checks `spec`.
pub(super) fn check(out: &mut Errors, pod: &Pod) {
    let spec = pod::spec(pod);
    let good = volumes::check(out, pod);
    claims::check(out, pod);
    containers::check(out, pod, &good);
    pod_resources::check(out, pod);
    if pod::host_network(pod) {
        containers::host_network(out, pod);
    }
    policies(out, spec);
    metadata::labels(out, "spec.nodeSelector", spec.node_selector.as_ref());
    security::pod(out, spec);
    if let Some(rules) = &spec.affinity {
        affinity::check(out, rules);
    }
    dns_config(out, spec);
    gates(out, spec);
    scheduling::topology_spread(out, spec.topology_spread_constraints.as_deref().unwrap_or_default());
    os::host_process(out, spec);
    host_users(out, spec);
    hostname_override(out, spec);
    for (field, value) in [("serviceAccountName", &spec.service_account_name), ("nodeName", &spec.node_name)] {
        if !text(value).is_empty() {
            invalid_each(out, &format!("spec.{field}"), text(value), names::subdomain(text(value)));
        }
    }
    if let Some(seconds) = spec.active_deadline_seconds {
        let faults = names::range(seconds, 1, i64::from(i32::MAX));
        invalid_number(out, "spec.activeDeadlineSeconds", seconds, faults);
    }
    for (field, value) in [("hostname", &spec.hostname), ("subdomain", &spec.subdomain)] {
        if !text(value).is_empty() {
            invalid_each(out, &format!("spec.{field}"), text(value), names::label(text(value)));
        }
    }
    scheduling::tolerations(out, spec.tolerations.as_deref().unwrap_or_default());
    host_aliases(out, spec);
    if !text(&spec.priority_class_name).is_empty() {
        let name = text(&spec.priority_class_name);
        invalid_each(out, "spec.priorityClassName", name, names::subdomain(name));
    }
    if let Some(name) = &spec.runtime_class_name {
        invalid_each(out, "spec.runtimeClassName", name, names::subdomain(name));
    }
    if let Some(policy) = &spec.preemption_policy
        && require(out, "spec.preemptionPolicy", policy)
    {
        one_of(out, "spec.preemptionPolicy", policy, &["PreemptLowerPriority", "Never"]);
    }
    if let Some(overhead) = &spec.overhead {
        resources::overhead(out, overhead);
    }
    os::check(out, spec);
    if let Some(group) = &spec.scheduling_group {
        let at = "spec.schedulingGroup.podGroupName";
        match &group.pod_group_name {
            None => out.push(FieldError::invalid_raw(at, "null", "must specify one of: `podGroupName`")),
            Some(name) => invalid_each(out, at, name, names::subdomain(name)),
        }
    }
    env::file_key_volumes(out, pod);
}

fn policies(out: &mut Errors, spec: &PodSpec) {
    const DNS: [&str; 4] = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    if require(out, "spec.restartPolicy", text(&spec.restart_policy)) {
        one_of(out, "spec.restartPolicy", text(&spec.restart_policy), &["Always", "OnFailure", "Never"]);
    }
    if require(out, "spec.dnsPolicy", text(&spec.dns_policy)) {
        one_of(out, "spec.dnsPolicy", text(&spec.dns_policy), &DNS);
    }
}

fn dns_config(out: &mut Errors, spec: &PodSpec) {
    let path = "spec.dnsConfig";
    if text(&spec.dns_policy) == "None" {
        match &spec.dns_config {
            None => {
                out.push(FieldError::required(path, "must provide `dnsConfig` when `dnsPolicy` is None"));
                return;
            }
            Some(config) if config.nameservers.as_ref().is_none_or(Vec::is_empty) => {
                out.push(FieldError::required(
                    "spec.dnsConfig.nameservers",
                    "must provide at least one DNS nameserver when `dnsPolicy` is None",
                ));
                return;
            }
            Some(_) => {}
        }
    }
    let Some(PodDNSConfig { nameservers, searches, options }) = &spec.dns_config else { return };
    let at = format!("{path}.nameservers");
    let servers = nameservers.as_deref().unwrap_or_default();
    if servers.len() > 3 {
        out.push(FieldError::invalid_raw(&at, gojson::plain(&json!(servers)), "must not have more than 3 nameservers"));
    }
    for (index, server) in servers.iter().enumerate() {
        invalid_each(out, &format!("{at}[{index}]"), server, names::ip(server));
    }
    let at = format!("{path}.searches");
    let searches = searches.as_deref().unwrap_or_default();
    if searches.len() > 32 {
        out.push(FieldError::invalid_raw(
            &at,
            gojson::plain(&json!(searches)),
            "must not have more than 32 search paths",
        ));
    }
    if searches.join(" ").len() > 2048 {
        out.push(FieldError::invalid_raw(
            &at,
            gojson::plain(&json!(searches)),
            "must not have more than 2048 characters (including spaces) in the search list",
        ));
    }
    for (index, search) in searches.iter().enumerate().filter(|(_, search)| *search != ".") {
        let relative = search.strip_suffix('.').unwrap_or(search);
        invalid_each(out, &format!("{at}[{index}]"), relative, names::search_path(relative));
    }
    for (index, option) in options.iter().flatten().enumerate() {
        if text(&option.name).is_empty() {
            out.push(FieldError::required(&format!("{path}.options[{index}]"), "must not be empty"));
        }
    }
}

fn gates(out: &mut Errors, spec: &PodSpec) {
    for (index, gate) in spec.readiness_gates.iter().flatten().enumerate() {
        let at = format!("spec.readinessGates[{index}].conditionType");
        invalid_each(out, &at, &gate.condition_type, names::qualified(&gate.condition_type));
    }
    let mut seen = BTreeSet::new();
    for (index, gate) in spec.scheduling_gates.iter().flatten().enumerate() {
        let at = format!("spec.schedulingGates[{index}]");
        invalid_each(out, &at, &gate.name, names::qualified(&gate.name));
        if !seen.insert(gate.name.as_str()) {
            out.push(FieldError::duplicate(&at, &gate.name));
        }
    }
}

/// A pod in its own user namespace shares no other namespace with the node. The odd capitals are upstream's.
fn host_users(out: &mut Errors, spec: &PodSpec) {
    if spec.host_users != Some(false) {
        return;
    }
    for (field, on) in [("hostNetwork", spec.host_network), ("HostPID", spec.host_pid), ("HostIPC", spec.host_ipc)] {
        if on == Some(true) {
            out.push(FieldError::forbidden(&format!("spec.{field}"), "when `hostUsers` is false"));
        }
    }
    for each in containers::every(spec) {
        if each.devices.is_some_and(|devices| !devices.is_empty()) {
            out.push(FieldError::forbidden(&format!("{}.volumeDevices", each.path), "when `hostUsers` is false"));
        }
    }
}

fn hostname_override(out: &mut Errors, spec: &PodSpec) {
    let path = "spec.hostnameOverride";
    let Some(name) = &spec.hostname_override else { return };
    if name.len() > 64 {
        out.push(FieldError::too_long(path, 64));
    }
    invalid_each(out, path, name, names::subdomain(name));
    if spec.host_network == Some(true) {
        out.push(FieldError::forbidden(path, "may not be specified when hostNetwork is true"));
    }
    if spec.set_hostname_as_fqdn == Some(true) {
        out.push(FieldError::forbidden(path, "may not be specified when setHostnameAsFQDN is true"));
    }
}

fn host_aliases(out: &mut Errors, spec: &PodSpec) {
    for (index, alias) in spec.host_aliases.iter().flatten().enumerate() {
        let path = format!("spec.hostAliases[{index}]");
        invalid_each(out, &format!("{path}.ip"), &alias.ip, names::ip(&alias.ip));
        for (index, name) in alias.hostnames.iter().flatten().enumerate() {
            invalid_each(out, &format!("{path}.hostnames[{index}]"), name, names::subdomain(name));
        }
    }
}
