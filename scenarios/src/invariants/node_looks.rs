//! What only the node itself knows when a scenario has done its steps: what is left of pods that are gone, whose tasks still live, how
//! many rotated logs there are, whether the kubelet answers. Asks; what a history tells is judged elsewhere.

use std::{path::Path, time::Duration};

use serde_json::Value;

use super::Broken;
use crate::{
    format::Scenario,
    http,
    target::{Kubelet, Target, TargetError},
};

/// How long the node may take to clean up after pods that are gone: the longest wait of its rules, and a little.
const PATIENCE: Duration = Duration::from_secs(200);

/// How many logs of one container there may be where the configuration does not say.
const LOGS: usize = 5;

/// Looks once everything is done. `shown` are the uids of the pods that are shown now, as often as it is asked.
///
/// # Errors
/// The target does not answer.
pub async fn look(
    scenario: &Scenario,
    target: &mut dyn Target,
    shown: &mut dyn FnMut() -> Vec<String>,
) -> Result<Vec<Broken>, TargetError> {
    let mut found = Vec::new();
    if target.kubelet() != Kubelet::Running {
        return Ok(found);
    }
    let end = tokio::time::Instant::now() + PATIENCE;
    loop {
        let wanted = shown();
        let left = target.leaks(&wanted).await?;
        let tasks = strangers(&target.tasks(), &wanted);
        if left.is_empty() && tasks.is_empty() {
            break;
        }
        if tokio::time::Instant::now() < end {
            tokio::time::sleep(Duration::from_secs(1)).await;
            continue;
        }
        let at = target.history().now();
        found.extend(left.into_iter().map(|how| {
            let number = if how.contains("network") || how.contains("address") { 31 } else { 32 };
            Broken { number, at, how }
        }));
        found.extend(tasks.into_iter().map(|task| Broken { number: 33, at, how: format!("the task {task} lives on") }));
        break;
    }
    let at = target.history().now();
    if let Some(how) = unwell(scenario, target).await {
        found.push(Broken { number: 35, at, how });
    }
    found.extend(too_many_logs(scenario, target).into_iter().map(|how| Broken { number: 36, at, how }));
    Ok(found)
}

/// Tasks named after a pod that is not wanted.
fn strangers(tasks: &[String], wanted: &[String]) -> Vec<String> {
    let of_a_pod = |name: &&String| name.contains("pods/pod ") || name.contains("probes/");
    tasks
        .iter()
        .filter(of_a_pod)
        .filter(|name| !wanted.iter().any(|uid| name.contains(uid.as_str())))
        .cloned()
        .collect()
}

async fn unwell(scenario: &Scenario, target: &mut dyn Target) -> Option<String> {
    let config = crate::setup::config(scenario)?;
    // A scenario that moves the port or breaks the runtime knows what it expects there.
    if config.get("healthzPort").is_some()
        || config.get("healthzBindAddress").is_some()
        || !scenario.kubelet.flags.is_empty()
    {
        return None;
    }
    let url: http::Url = "http://localhost:10248/healthz".parse().expect("this is a URL");
    let (address, net) = (target.address(&url), target.world().net.clone());
    match http::get(&net, &address, &url).await {
        Ok(answer) if answer.status == 200 => None,
        Ok(answer) => Some(format!("/healthz says {}", answer.status)),
        Err(error) => Some(format!("/healthz: {error}")),
    }
}

fn too_many_logs(scenario: &Scenario, target: &dyn Target) -> Vec<String> {
    let config = crate::setup::config(scenario).unwrap_or_default();
    let most =
        config.get("containerLogMaxFiles").and_then(Value::as_u64).map_or(LOGS, |n| usize::try_from(n).unwrap_or(LOGS));
    let files = &target.world().files;
    let names = |path: &Path| {
        let entries = files.read_dir(path).unwrap_or_default();
        entries.into_iter().map(|entry| entry.name).collect::<Vec<_>>()
    };
    let root = Path::new("/var/log/pods");
    let mut found = Vec::new();
    for pod in names(root) {
        for container in names(&root.join(&pod)) {
            let all = names(&root.join(&pod).join(&container));
            // `0.log`, `0.log.20260101-000000`, `0.log.20260101-000000.gz`: all of one attempt.
            let attempts = all.iter().filter(|name| name.ends_with(".log"));
            for attempt in attempts {
                let of = all.iter().filter(|name| name.starts_with(attempt.as_str())).count();
                if of > most {
                    found.push(format!("{of} files of {pod}/{container}/{attempt}, and {most} are allowed"));
                }
            }
        }
    }
    found
}
