//! `linux.resources` of a container. Pure. As kubelet 1.36; static pods are critical and never swap.

use cri_proto::v1;
use k8s_openapi::api::core::v1::{Container, Pod};
use world::machine::CgroupVersion;

use crate::{
    api::qos,
    resources::{
        huge_pages,
        linux::oom_score_adj,
        totals::{Side, of_container, of_pod_level},
    },
    runtime::{RuntimeSettings, sandbox_config::calculate},
};

/// The values for one container.
pub fn resources(pod: &Pod, container: &Container, settings: &RuntimeSettings) -> v1::LinuxContainerResources {
    let limit = |resource: &str| {
        let own = of_container(container, Side::Limits, resource).unwrap_or(0);
        if own != 0 { own } else { of_pod_level(pod, Side::Limits, resource).unwrap_or(0) }
    };
    let (cpu, memory) = (limit("cpu"), limit("memory"));
    let mut resources = calculate(of_container(container, Side::Requests, "cpu"), cpu, memory, settings);
    let capacity = i64::try_from(settings.facts.memory_bytes).unwrap_or(i64::MAX);
    resources.oom_score_adj = oom_score_adj(pod, container, qos::class(pod), capacity);
    resources.hugepage_limits = hugepages(pod, container, settings);
    if settings.swap_controller {
        match settings.facts.cgroups {
            CgroupVersion::V2 => {
                resources.unified.insert("memory.swap.max".to_owned(), "0".to_owned());
            }
            CgroupVersion::V1 => resources.memory_swap_limit_in_bytes = memory,
        }
    }
    resources
}

/// One entry per huge page size that the kernel knows, 0 unless the container has a limit.
fn hugepages(pod: &Pod, container: &Container, settings: &RuntimeSettings) -> Vec<v1::HugepageLimit> {
    settings
        .facts
        .huge_pages
        .keys()
        .map(|&kib| {
            let resource = huge_pages::resource(kib);
            let limit = of_container(container, Side::Limits, &resource)
                .or_else(|| of_pod_level(pod, Side::Limits, &resource))
                .unwrap_or(0);
            v1::HugepageLimit { page_size: huge_pages::page_size(kib), limit: u64::try_from(limit).unwrap_or(0) }
        })
        .collect()
}
