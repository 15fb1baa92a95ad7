//! Volumes in memory: tmpfs and huge pages. What is mounted with which options, and the text when it cannot be. As kubelet 1.36's emptyDir.

use std::{collections::BTreeSet, io, path::Path};

use k8s_openapi::api::core::v1::Pod;
use world::World;

use crate::{
    api::pod as api_pod,
    resources::{
        amounts,
        totals::{Side, all_limited, of_pod},
    },
    runtime::RuntimeSettings,
};

const HUGE_PAGES: &str = "hugepages-";

/// Whether something is mounted on the directory: it is on another device than what holds it.
pub fn is_mounted(world: &World, dir: &Path) -> bool {
    let device = |path: &Path| world.files.metadata(path).ok().map(|facts| facts.device);
    dir.parent().is_some_and(|parent| device(dir).is_some() && device(dir) != device(parent))
}

/// Size of a tmpfs in bytes: the smallest of the node's allocatable memory, the pod's limit and the volume's; 0 is no bound.
pub fn size(pod: &Pod, limit: Option<i64>, settings: &RuntimeSettings) -> i64 {
    let of_pod = all_limited(pod, "memory").then(|| of_pod(pod, Side::Limits, "memory")).flatten();
    let mut size = settings.memory();
    for bound in [of_pod, limit].into_iter().flatten() {
        if bound > 0 && (size <= 0 || bound < size) {
            size = bound;
        }
    }
    size.max(0)
}

/// Mounts a tmpfs of `size` bytes on `dir`, unless there is one.
pub fn mount(world: &World, settings: &RuntimeSettings, dir: &Path, size: i64) -> Result<(), String> {
    if is_mounted(world, dir) {
        return Ok(());
    }
    let mut options: Vec<String> = Vec::new();
    if size > 0 {
        options.push(format!("size={size}"));
    }
    if knows_noswap(&settings.facts.kernel_version) {
        options.push("noswap".to_owned());
    }
    run(world, "tmpfs", "tmpfs", dir, &options.join(","))
}

/// Mounts huge pages on `dir`, unless there are some; `medium` says which size, or leaves it to what the pod asks for.
pub fn mount_huge(world: &World, pod: &Pod, dir: &Path, medium: &str) -> Result<(), String> {
    let size = page_size(pod, medium)?;
    if is_mounted(world, dir) {
        return Ok(());
    }
    run(world, "hugetlbfs", "nodev", dir, &format!("pagesize={size}"))
}

/// `2Mi` of `hugepages-2Mi`.
fn page_size(pod: &Pod, medium: &str) -> Result<String, String> {
    let spec = api_pod::spec(pod);
    let containers = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    let requirements = containers.filter_map(|c| c.resources.as_ref()).chain(spec.resources.as_ref());
    let sizes: BTreeSet<&str> = requirements
        .flat_map(|r| r.requests.iter().flatten().chain(r.limits.iter().flatten()))
        .filter(|(_, amount)| amounts::value(amount) > 0)
        .filter_map(|(name, _)| name.strip_prefix(HUGE_PAGES))
        .collect();
    if let Some(wanted) = medium.strip_prefix("HugePages-") {
        return match sizes.contains(wanted) {
            true => Ok(wanted.to_owned()),
            false => Err(format!("medium {medium:?} but no container requests {wanted} pages")),
        };
    }
    let mut sizes = sizes.into_iter();
    match (sizes.next(), sizes.next()) {
        (None, _) => {
            Err("medium HugePages: hugePages storage requested, but there is no resource request for huge pages".into())
        }
        (Some(size), None) => Ok(size.to_owned()),
        _ => Err("medium: HugePages can't be used if container requests multiple huge page sizes".into()),
    }
}

/// Linux 6.4 and later can keep a tmpfs out of swap.
fn knows_noswap(release: &str) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (6, 4)
}

/// Mounts; the error looks as that of the program that upstream runs.
fn run(world: &World, kind: &str, source: &str, dir: &Path, options: &str) -> Result<(), String> {
    world.mounts.mount(kind, source, dir, options).map_err(|error| {
        let why = match error.kind() {
            io::ErrorKind::PermissionDenied => "must be superuser to use mount.".to_owned(),
            _ => format!("{error}."),
        };
        let dir = dir.display();
        let option = if options.is_empty() { String::new() } else { format!("-o {options} ") };
        format!(
            "mount failed: exit status 32\nMounting command: mount\nMounting arguments: -t {kind} {option}{source} {dir}\n\
             Output: mount: {dir}: {why}\n"
        )
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn pod(spec: serde_json::Value) -> Pod {
        serde_json::from_value(serde_json::json!({"metadata": {"name": "p"}, "spec": spec})).unwrap()
    }

    #[rstest]
    #[case("6.12.0-sim", true)]
    #[case("6.4.0", true)]
    #[case("6.3.9-arch1", false)]
    #[case("10.0", true)]
    #[case("odd", false)]
    fn noswap_needs_linux_6_4(#[case] release: &str, #[case] known: bool) {
        assert_eq!(knows_noswap(release), known);
    }

    #[rstest]
    #[case("HugePages", &["hugepages-2Mi"], Ok("2Mi"))]
    #[case("HugePages-1Gi", &["hugepages-2Mi", "hugepages-1Gi"], Ok("1Gi"))]
    #[case("HugePages", &["memory"], Err("medium HugePages: hugePages storage requested, but there is no resource request for huge pages"))]
    #[case("HugePages", &["hugepages-2Mi", "hugepages-1Gi"], Err("medium: HugePages can't be used if container requests multiple huge page sizes"))]
    fn page_sizes(#[case] medium: &str, #[case] asked: &[&str], #[case] expected: Result<&str, &str>) {
        let requests: std::collections::BTreeMap<_, _> = asked.iter().map(|name| (*name, "2Gi")).collect();
        let pod = pod(serde_json::json!({"containers": [{"name": "c", "resources": {"requests": requests}}]}));
        let found = page_size(&pod, medium);
        assert_eq!(found.as_deref().map_err(String::as_str), expected);
    }

    #[rstest]
    #[case(None, None, 8 << 30)]
    #[case(Some("1Gi"), None, 1 << 30)]
    #[case(Some("1Gi"), Some(2 << 30), 1 << 30)]
    #[case(Some("1Gi"), Some(10 << 20), 10 << 20)]
    #[case(None, Some(16 << 30), 8 << 30)]
    fn a_tmpfs_is_as_large_as_the_smallest_bound(
        #[case] limit: Option<&str>,
        #[case] volume: Option<i64>,
        #[case] bytes: i64,
    ) {
        let limits = limit.map(|l| serde_json::json!({"memory": l}));
        let pod = pod(serde_json::json!({"containers": [{"name": "c", "resources": {"limits": limits}}]}));
        let settings = RuntimeSettings::new("node1", world::machine::Facts::simulated());
        assert_eq!(size(&pod, volume, &settings), bytes);
    }
}
