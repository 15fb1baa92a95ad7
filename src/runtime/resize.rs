//! Gives running containers the amounts that were granted: the pod's control group and sandbox, then the containers; more before it is
//! used, less after. As kubelet 1.36's doPodResizeAction.

use cri_proto::v1;
use k8s_openapi::{
    api::core::v1::{Container, Pod, ResourceRequirements},
    apimachinery::pkg::api::resource::Quantity as ApiQuantity,
};
use world::machine::CgroupVersion;

use crate::{
    api::{pod as api_pod, qos, quantity::Quantity},
    resources::{
        allocation::{Allocations, effective},
        cgroups::{PodCgroups, Values},
        linux::{cpu_weight, shares_of_weight},
    },
    runtime::{
        RuntimeManager, SyncResult,
        container_config::resources::resources,
        naming,
        observed::{ContainerState, ObservedPod},
        plan::{
            PodActions,
            resize::{Actual, Amounts, Update},
        },
        sandbox_config,
    },
};

/// What is asked for and failed, and the reason it has.
const ACTION: &str = "ResizePodInPlace";
const REASON: &str = "ResizePodInPlaceError";

/// What upstream reads where there is no bound on memory.
const V1_UNLIMITED: i64 = i64::MAX - 4095;
const V2_UNLIMITED: i64 = -1;

/// What a pod's group bounds, in the kernel's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bounds {
    memory: i64,
    shares: i64,
    quota: i64,
}

/// One of the bounds, which are changed one by one.
#[derive(Clone, Copy, Debug)]
enum Bound {
    Memory,
    Shares,
    Quota,
}

impl RuntimeManager {
    /// Whether some running container does not have what the pod was granted.
    pub fn resize_in_progress(&self, pod: &Pod, observed: &ObservedPod) -> bool {
        let spec = api_pod::spec(pod);
        let sidecars = spec.init_containers.iter().flatten().filter(|c| api_pod::is_restartable_init(c));
        let of_pod = spec.resources.as_ref().zip(self.actuated.of_pod(naming::uid(pod)));
        if of_pod.is_some_and(|(asked, given)| Amounts::of(asked) != Amounts::of(&given)) {
            return true;
        }
        sidecars.chain(&spec.containers).any(|container| {
            let runs = observed.container(&container.name).is_some_and(|c| c.state == ContainerState::Running);
            let given = self.actuated.of_container(naming::uid(pod), &container.name);
            runs && Amounts::of(&effective(pod, container)) != Amounts::of(&given)
        })
    }

    /// What a pod and its containers were made with or told last.
    pub(crate) fn actual<'a>(&'a self, pod: &'a Pod) -> Records<'a> {
        Records { actuated: &self.actuated, uid: naming::uid(pod) }
    }

    /// Carries out what a plan says of resizes.
    pub(crate) async fn resize(
        &self,
        pod: &Pod,
        observed: &ObservedPod,
        actions: &PodActions,
        result: &mut SyncResult,
    ) {
        result.acted = true;
        let done = self.try_resize(pod, observed, actions).await;
        if let Err(why) = &done {
            result.fail(ACTION, &naming::format_pod(pod), REASON, why.clone());
        }
        result.resize = Some(done);
    }

    async fn try_resize(&self, pod: &Pod, observed: &ObservedPod, actions: &PodActions) -> Result<(), String> {
        let resize = &actions.resize;
        let wanted = Values::of_pod(pod, &self.settings);
        let mut now = self.bounds(&self.as_made(pod));
        let memory = wanted.memory.unwrap_or(now.memory);
        let quota = wanted.quota.map_or(now.quota, |(quota, _)| quota);
        let shares = wanted.shares.unwrap_or(now.shares);
        if !resize.memory.is_empty() || resize.restarts || resize.pod {
            self.fits(pod, observed, &resize.memory, wanted.memory.filter(|bytes| *bytes < now.memory)).await?;
            if memory > now.memory {
                self.bound(pod, actions, Bound::Memory, memory, &mut now).await?;
            }
            for update in &resize.memory {
                let amounts =
                    Amounts { cpu_request: update.from.cpu_request, cpu_limit: update.from.cpu_limit, ..update.to };
                self.update(pod, update, amounts).await?;
            }
            if memory < now.memory {
                self.bound(pod, actions, Bound::Memory, memory, &mut now).await?;
            }
            if resize.pod {
                self.actuated.set_of_pod(pod, "memory");
            }
        }
        if !resize.cpu.is_empty() || resize.restarts || resize.pod {
            if quota > now.quota {
                self.bound(pod, actions, Bound::Quota, quota, &mut now).await?;
            }
            if shares > now.shares {
                self.bound(pod, actions, Bound::Shares, shares, &mut now).await?;
            }
            for update in &resize.cpu {
                self.update(pod, update, update.to).await?;
            }
            if shares < now.shares {
                self.bound(pod, actions, Bound::Shares, shares, &mut now).await?;
            }
            if quota < now.quota {
                self.bound(pod, actions, Bound::Quota, quota, &mut now).await?;
            }
            if resize.pod {
                self.actuated.set_of_pod(pod, "cpu");
            }
        }
        Ok(())
    }

    fn cgroups(&self) -> PodCgroups {
        PodCgroups::new(self.world.clone(), self.settings.clone())
    }

    /// The pod with what its containers were made with or told last.
    fn as_made(&self, pod: &Pod) -> Pod {
        let mut made = pod.clone();
        let uid = naming::uid(pod);
        let Some(spec) = &mut made.spec else { return made };
        if spec.resources.is_some() {
            spec.resources = self.actuated.of_pod(uid).map(nothing_for_zero);
        }
        for container in spec.containers.iter_mut().chain(spec.init_containers.iter_mut().flatten()) {
            container.resources = Some(nothing_for_zero(self.actuated.of_container(uid, &container.name)));
        }
        made
    }

    /// What the group of such a pod bounds, as it would be read back from the kernel.
    fn bounds(&self, pod: &Pod) -> Bounds {
        let values = Values::of_pod(pod, &self.settings);
        let shares = values.shares.unwrap_or_default();
        Bounds {
            memory: values.memory.unwrap_or(match self.settings.facts.cgroups {
                CgroupVersion::V1 => V1_UNLIMITED,
                CgroupVersion::V2 => V2_UNLIMITED,
            }),
            // A weight is coarser than shares.
            shares: match self.settings.facts.cgroups {
                CgroupVersion::V1 => shares,
                CgroupVersion::V2 => shares_of_weight(cpu_weight(shares)),
            },
            quota: values.quota.map_or(-1, |(quota, _)| quota),
        }
    }

    /// Sets one bound of the pod: the runtime is told first, and may refuse.
    async fn bound(
        &self,
        pod: &Pod,
        actions: &PodActions,
        which: Bound,
        to: i64,
        now: &mut Bounds,
    ) -> Result<(), String> {
        let period = self.settings.cpu_cfs_quota_period.as_micros();
        let (next, values, resource) = match which {
            Bound::Memory => {
                (Bounds { memory: to, ..*now }, Values { memory: Some(to), ..Values::default() }, "memory")
            }
            Bound::Shares => (Bounds { shares: to, ..*now }, Values { shares: Some(to), ..Values::default() }, "cpu"),
            Bound::Quota => {
                (Bounds { quota: to, ..*now }, Values { quota: Some((to, period)), ..Values::default() }, "cpu")
            }
        };
        let linux = v1::LinuxContainerResources {
            cpu_period: i64::try_from(period).unwrap_or(0),
            cpu_quota: next.quota,
            cpu_shares: next.shares,
            memory_limit_in_bytes: next.memory,
            ..Default::default()
        };
        let request = v1::UpdatePodSandboxResourcesRequest {
            pod_sandbox_id: actions.sandbox_id.clone().unwrap_or_default(),
            overhead: Some(sandbox_config::overhead(pod, &self.settings)),
            resources: Some(linux),
        };
        if let Err(error) = self.cri.update_pod_sandbox_resources(request).await
            // containerd 2.2 says it in words.
            && !(error.is_unimplemented() || error.desc().contains("not implemented"))
        {
            return Err(format!(
                "failed to notify runtime for UpdatePodSandboxResources (resource={resource}); resize rejected: {error}"
            ));
        }
        self.cgroups().set(qos::class(pod), naming::uid(pod), values).await?;
        *now = next;
        Ok(())
    }

    /// Tells one container its amounts, and remembers them once the runtime has taken them.
    async fn update(&self, pod: &Pod, update: &Update, amounts: Amounts) -> Result<(), String> {
        let spec = api_pod::spec(pod);
        let mut all = spec.containers.iter().chain(spec.init_containers.iter().flatten());
        let Some(container) = all.find(|c| c.name == update.container) else { return Ok(()) };
        let container = Container { resources: Some(as_resources(amounts)), ..container.clone() };
        let linux = resources(pod, &container, &self.settings);
        self.cri.update_container_resources(&update.id.id, linux).await.map_err(|error| error.to_string())?;
        self.actuated.set_container(pod, &container);
        Ok(())
    }

    /// Whether no limit of memory would fall below what is used now. `of_pod` is the pod's limit, where it becomes less.
    async fn fits(
        &self,
        pod: &Pod,
        observed: &ObservedPod,
        updates: &[Update],
        of_pod: Option<i64>,
    ) -> Result<(), String> {
        let less = |update: &&Update| {
            let (from, to) = (update.from.memory_limit, update.to.memory_limit);
            to != 0 && (from == 0 || to < from)
        };
        let less: Vec<&Update> = updates.iter().filter(less).collect();
        if of_pod.is_none() && less.is_empty() {
            return Ok(());
        }
        let pod_name = naming::format_pod(pod);
        let filter = v1::ContainerStatsFilter {
            pod_sandbox_id: observed.sandbox().map(|s| s.id.clone()).unwrap_or_default(),
            ..Default::default()
        };
        let stats = self.cri.list_container_stats(filter).await;
        let stats = stats.map_err(|_| format!("unable to read memory usage for pod {pod_name:?}"))?;
        let used =
            |stats: &v1::ContainerStats| stats.memory.as_ref().and_then(|m| m.usage_bytes).map_or(0, |b| b.value);
        // The group knows best: it counts what the containers share.
        let in_group = self.cgroups().memory_used(qos::class(pod), naming::uid(pod));
        let in_all = in_group.unwrap_or_else(|| stats.iter().map(used).sum());
        let over = |limit: i64, used: u64| u64::try_from(limit).is_ok_and(|limit| used >= limit);
        let mut errors = Vec::new();
        if let Some(limit) = of_pod.filter(|limit| over(*limit, in_all)) {
            errors.push(format!("attempting to set pod memory limit ({limit}) below current usage ({in_all})"));
        }
        for update in less {
            let id = &update.id.id;
            let stats = stats.iter().find(|s| s.attributes.as_ref().is_some_and(|a| a.id == *id));
            let limit = update.to.memory_limit;
            if stats.map(used).is_some_and(|used| over(limit, used)) {
                let name = &update.container;
                // The number at the end is the pod's, as upstream has it.
                errors.push(format!(
                    "attempting to set container {name:?} memory limit ({limit}) below current usage ({in_all})"
                ));
            }
        }
        match errors.as_slice() {
            [] => Ok(()),
            [one] => Err(format!("cannot decrease memory limits: {one}")),
            all => Err(format!("cannot decrease memory limits: [{}]", all.join(", "))),
        }
    }
}

/// The records of one pod.
pub(crate) struct Records<'a> {
    actuated: &'a Allocations,
    uid: &'a str,
}

impl Actual for Records<'_> {
    fn of_container(&self, name: &str) -> ResourceRequirements {
        self.actuated.of_container(self.uid, name)
    }

    fn of_pod(&self) -> ResourceRequirements {
        self.actuated.of_pod(self.uid).unwrap_or_default()
    }
}

fn as_resources(amounts: Amounts) -> ResourceRequirements {
    let list = |cpu, memory| {
        let amounts = [("cpu", Quantity::from_milli(cpu)), ("memory", Quantity::from_bytes(memory))];
        Some(amounts.map(|(name, amount)| (name.to_owned(), amount.to_api())).into())
    };
    ResourceRequirements {
        limits: list(amounts.cpu_limit, amounts.memory_limit),
        requests: list(amounts.cpu_request, amounts.memory_request),
        claims: None,
    }
}

/// An amount of 0 in the records stands for one that was never said.
fn nothing_for_zero(mut resources: ResourceRequirements) -> ResourceRequirements {
    let said = |amount: &ApiQuantity| !Quantity::of(amount).is_zero();
    for list in [&mut resources.limits, &mut resources.requests].into_iter().flatten() {
        list.retain(|_, amount| said(amount));
    }
    resources
}
