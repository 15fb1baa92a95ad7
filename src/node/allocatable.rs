//! What is left for pods of the node's processors, memory and disk: capacity less what the configuration reserves and what hard eviction
//! keeps free; and what of it their control group is held to. As kubelet 1.36. Pure.

use std::collections::BTreeMap;

use world::machine::Facts;

use crate::{api::quantity::Quantity, config::KubeletConfig};

/// What pods may ask for in all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allocatable {
    /// Processor time in thousandths of a processor.
    pub milli_cpu: i64,
    /// Memory in bytes.
    pub memory: i64,
    /// Pods.
    pub pods: i64,
    /// Bytes of the disk that the kubelet's directory is on; `None` if nobody counts them.
    pub ephemeral_storage: Option<i64>,
    /// Bytes of huge pages, by size of page in KiB: every size that the kernel knows.
    pub huge_pages: BTreeMap<u64, i64>,
}

/// What the control group of all pods is held to: capacity less what is reserved. What hard eviction keeps free is theirs to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enforced {
    /// Processor time in thousandths of a processor.
    pub milli_cpu: i64,
    /// Memory in bytes.
    pub memory: i64,
    /// Processes.
    pub pids: u64,
    /// Bytes of huge pages, by size of page in KiB.
    pub huge_pages: BTreeMap<u64, i64>,
}

impl Enforced {
    /// Computes it for a node with these facts. What is reserved is left to pods unless `enforceNodeAllocatable` names `pods`.
    ///
    /// # Errors
    /// A reservation cannot be read, or is more than the node has.
    pub fn of(config: &KubeletConfig, facts: &Facts) -> Result<Self, ReservationError> {
        let reserved = Reserved::of(config)?;
        let capacity = Capacity::of(facts);
        let pids = Quantity::from_bytes(i64::try_from(facts.process_ids).unwrap_or(i64::MAX));
        let whole = !config.enforce_node_allocatable.iter().any(|what| what == "pods");
        let share = |resource: &'static str, capacity: Quantity| match whole {
            true => Ok(capacity),
            false => left(resource, capacity, reserved.amount(resource)),
        };
        Ok(Self {
            milli_cpu: share("cpu", capacity.cpu)?.milli_value(),
            memory: share("memory", capacity.memory)?.value(),
            pids: u64::try_from(share("pid", pids)?.value()).unwrap_or(0),
            huge_pages: capacity.huge_pages,
        })
    }
}

struct Capacity {
    cpu: Quantity,
    memory: Quantity,
    huge_pages: BTreeMap<u64, i64>,
}

impl Capacity {
    fn of(facts: &Facts) -> Self {
        let bytes =
            |kib: u64, count: u64| i64::try_from(kib.saturating_mul(1024).saturating_mul(count)).unwrap_or(i64::MAX);
        Self {
            cpu: Quantity::from_milli(i64::from(facts.cpus) * 1000),
            memory: Quantity::from_bytes(i64::try_from(facts.memory_bytes).unwrap_or(i64::MAX)),
            huge_pages: facts.huge_pages.iter().map(|(&kib, &count)| (kib, bytes(kib, count))).collect(),
        }
    }
}

/// `systemReserved` and `kubeReserved` together.
struct Reserved {
    system: BTreeMap<String, Quantity>,
    kube: BTreeMap<String, Quantity>,
}

impl Reserved {
    fn of(config: &KubeletConfig) -> Result<Self, ReservationError> {
        Ok(Self {
            system: reservations("system-reserved", &config.system_reserved)?,
            kube: reservations("kube-reserved", &config.kube_reserved)?,
        })
    }

    fn amount(&self, resource: &str) -> Quantity {
        let of = |map: &BTreeMap<String, Quantity>| map.get(resource).copied().unwrap_or(Quantity::ZERO);
        of(&self.kube).plus(of(&self.system))
    }
}

/// A reservation that cannot be. The words are upstream's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReservationError {
    /// A resource that is not kept for anybody.
    #[error(
        "--{flag} value failed to parse: cannot reserve {resource:?} resource (cpu, memory, ephemeral-storage and pid can be)"
    )]
    Resource {
        /// The flag, which has the name of the field in another case.
        flag: &'static str,
        /// The resource.
        resource: String,
    },
    /// An amount that is none.
    #[error("--{flag} value failed to parse: failed to parse quantity {amount:?} for {resource:?} resource: {reason}")]
    Amount {
        /// The flag.
        flag: &'static str,
        /// The resource.
        resource: String,
        /// What was written.
        amount: String,
        /// Why it is none.
        reason: String,
    },
    /// Less than nothing.
    #[error("--{flag} value failed to parse: resource quantity for {resource:?} cannot be negative: {amount}")]
    Negative {
        /// The flag.
        flag: &'static str,
        /// The resource.
        resource: String,
        /// What was written.
        amount: String,
    },
    /// More than there is.
    #[error(
        "Failed to start ContainerManager: invalid Node Allocatable configuration. Resource {resource:?} has a reservation of {reserved} but \
         capacity of {capacity}. Expected capacity >= reservation. (lower systemReserved, kubeReserved or evictionHard)"
    )]
    Exceeds {
        /// The resource.
        resource: &'static str,
        /// What is asked for.
        reserved: Quantity,
        /// What there is.
        capacity: Quantity,
    },
}

impl Allocatable {
    /// Computes it for a node with these facts and a disk of `disk` bytes.
    ///
    /// # Errors
    /// A reservation cannot be read, or is more than the node has.
    pub fn of(config: &KubeletConfig, facts: &Facts, disk: Option<u64>) -> Result<Self, ReservationError> {
        let reserved = Reserved::of(config)?;
        let Capacity { cpu, memory, huge_pages } = Capacity::of(facts);
        let kept_free = |signal: &str, of: Quantity| {
            config.eviction_hard.get(signal).and_then(|text| threshold(text, of)).unwrap_or(Quantity::ZERO)
        };
        let reserved_memory = reserved.amount("memory").plus(kept_free("memory.available", memory));
        let pages: i64 = huge_pages.values().sum();
        let disk = disk.filter(|_| config.local_storage_capacity_isolation);
        let disk = disk.map(|bytes| Quantity::from_bytes(i64::try_from(bytes).unwrap_or(i64::MAX)));
        let ephemeral_storage = disk.map(|disk| {
            let kept = reserved.amount("ephemeral-storage").plus(kept_free("nodefs.available", disk));
            left("ephemeral-storage", disk, kept)
        });
        let cores = i64::from(facts.cpus);
        let most = i64::from(config.max_pods);
        Ok(Self {
            milli_cpu: left("cpu", cpu, reserved.amount("cpu"))?.milli_value(),
            memory: (left("memory", memory, reserved_memory)?.value() - pages).max(0),
            pods: config.pods_per_core.map_or(most, |n| most.min(cores.saturating_mul(i64::from(n)))),
            ephemeral_storage: ephemeral_storage.transpose()?.map(|amount| amount.value()),
            huge_pages,
        })
    }
}

fn left(resource: &'static str, capacity: Quantity, reserved: Quantity) -> Result<Quantity, ReservationError> {
    if reserved > capacity {
        return Err(ReservationError::Exceeds { resource, reserved, capacity });
    }
    Ok(capacity.minus(reserved))
}

fn reservations(
    flag: &'static str,
    amounts: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, Quantity>, ReservationError> {
    let mut reserved = BTreeMap::new();
    for (resource, amount) in amounts {
        let (resource, amount) = (resource.clone(), amount.clone());
        if !matches!(resource.as_str(), "cpu" | "memory" | "ephemeral-storage" | "pid") {
            return Err(ReservationError::Resource { flag, resource });
        }
        match Quantity::parse(&amount) {
            Err(e) => return Err(ReservationError::Amount { flag, resource, amount, reason: e.to_string() }),
            Ok(quantity) if quantity.sign() < 0 => return Err(ReservationError::Negative { flag, resource, amount }),
            Ok(quantity) => reserved.insert(resource, quantity),
        };
    }
    Ok(reserved)
}

/// An eviction threshold as an amount; `None` if it cannot be read, which is the eviction manager's to refuse.
fn threshold(text: &str, capacity: Quantity) -> Option<Quantity> {
    match text.strip_suffix('%') {
        // Upstream keeps the part in 32 bits, multiplies in 64 and cuts off what is behind the point.
        Some(percent) => {
            let part = percent.parse::<f32>().ok()? / 100.0;
            Some(Quantity::from_bytes((capacity.value() as f64 * f64::from(part)) as i64))
        }
        None => Quantity::parse(text).ok(),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use world::sim::{self, Limits};

    use super::*;
    use crate::config::{Invocation, load};

    const GI: i64 = 1024 * 1024 * 1024;

    fn of(args: &'static [&'static str]) -> Result<Allocatable, ReservationError> {
        sim::run(1, Limits::default(), move |sim, _| async move {
            let args: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
            let Invocation::Run(loaded) = load(&sim.world, &args).unwrap() else { panic!("printed") };
            Allocatable::of(&loaded.config, &sim.world.machine.facts().unwrap(), Some(100 << 30))
        })
        .unwrap()
    }

    #[rstest]
    #[case(&[], 4000, 8 * GI, 110)]
    #[case(&["--system-reserved=cpu=500m,memory=1Gi", "--kube-reserved=cpu=1,memory=1Gi"], 2500, 6 * GI, 110)]
    #[case(&["--eviction-hard=memory.available<512Mi"], 4000, 8 * GI - GI / 2, 110)]
    #[case(&["--eviction-hard=memory.available<25%"], 4000, 6 * GI, 110)]
    #[case(&["--pods-per-core=10"], 4000, 8 * GI, 40)]
    fn what_is_reserved_is_taken_off(
        #[case] args: &'static [&'static str],
        #[case] milli_cpu: i64,
        #[case] memory: i64,
        #[case] pods: i64,
    ) {
        let found = of(args).unwrap();
        assert_eq!((found.milli_cpu, found.memory, found.pods), (milli_cpu, memory, pods));
    }

    #[rstest]
    #[case(&["--eviction-hard=nodefs.available<25%"], 75)]
    #[case(&["--eviction-hard=nodefs.available<10Gi", "--system-reserved=ephemeral-storage=20Gi"], 70)]
    fn so_is_what_is_kept_of_the_disk(#[case] args: &'static [&'static str], #[case] gib: i64) {
        assert_eq!(of(args).unwrap().ephemeral_storage, Some(gib * GI));
    }

    /// As upstream was seen to: a tenth is 812 bytes more than it would be in 32 bits.
    #[test]
    fn a_part_is_cut_off_late() {
        let kept = threshold("10%", Quantity::from_bytes(270_553_174_016)).unwrap();
        assert_eq!(kept.value(), 27_055_317_804);
    }

    /// What hard eviction keeps free is not taken from the group; what is reserved only where `pods` are held to it.
    #[rstest]
    #[case(&["--eviction-hard=memory.available<1Gi"], 4000, 8 * GI, 32_768)]
    #[case(&["--system-reserved=cpu=1,memory=1Gi,pid=768"], 3000, 7 * GI, 32_000)]
    #[case(&["--system-reserved=cpu=1,memory=1Gi", "--enforce-node-allocatable=none"], 4000, 8 * GI, 32_768)]
    fn the_group_of_all_pods_is_held_to(
        #[case] args: &'static [&'static str],
        #[case] milli_cpu: i64,
        #[case] memory: i64,
        #[case] pids: u64,
    ) {
        let found = sim::run(1, Limits::default(), move |sim, _| async move {
            let args: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
            let Invocation::Run(loaded) = load(&sim.world, &args).unwrap() else { panic!("printed") };
            Enforced::of(&loaded.config, &sim.world.machine.facts().unwrap()).unwrap()
        })
        .unwrap();
        assert_eq!((found.milli_cpu, found.memory, found.pids), (milli_cpu, memory, pids));
    }

    #[test]
    fn huge_pages_are_no_memory_for_others() {
        let found = sim::run(1, Limits::default(), move |sim, _| async move {
            let Invocation::Run(loaded) = load(&sim.world, &[]).unwrap() else { panic!("printed") };
            let facts = Facts { huge_pages: [(2048, 512), (1_048_576, 0)].into(), ..Facts::simulated() };
            Allocatable::of(&loaded.config, &facts, None).unwrap()
        })
        .unwrap();
        assert_eq!((found.memory, found.ephemeral_storage), (7 * GI, None));
        assert_eq!(found.huge_pages, [(2048, GI), (1_048_576, 0)].into());
    }

    #[rstest]
    #[case(&["--system-reserved=gpu=1"], "--system-reserved value failed to parse: cannot reserve \"gpu\" resource")]
    #[case(&["--kube-reserved=cpu=lots"], "--kube-reserved value failed to parse: failed to parse quantity \"lots\" for \"cpu\" resource: ")]
    #[case(&["--kube-reserved=cpu=-1"], "--kube-reserved value failed to parse: resource quantity for \"cpu\" cannot be negative: -1")]
    #[case(&["--system-reserved=memory=9Gi"], "Failed to start ContainerManager: invalid Node Allocatable configuration. Resource \"memory\" has a reservation of 9Gi but capacity of 8Gi. Expected capacity >= reservation.")]
    fn refuses_with_upstreams_words(#[case] args: &'static [&'static str], #[case] words: &str) {
        let error = of(args).unwrap_err().to_string();
        assert!(error.starts_with(words), "{error}");
    }
}
