//! What is left for pods of the node's processors and memory: capacity less what the configuration reserves and what hard eviction
//! keeps free. As kubelet 1.36. Pure.

use std::collections::BTreeMap;

use world::machine::Facts;

use crate::{api::quantity::Quantity, config::KubeletConfig};

/// What pods may use in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allocatable {
    /// Processor time in thousandths of a processor.
    pub milli_cpu: i64,
    /// Memory in bytes.
    pub memory: i64,
    /// Pods.
    pub pods: i64,
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
    /// Computes it for a node with these facts.
    ///
    /// # Errors
    /// A reservation cannot be read, or is more than the node has.
    pub fn of(config: &KubeletConfig, facts: &Facts) -> Result<Self, ReservationError> {
        let system = reservations("system-reserved", &config.system_reserved)?;
        let kube = reservations("kube-reserved", &config.kube_reserved)?;
        let reserved = |name: &str| {
            let of = |map: &BTreeMap<String, Quantity>| map.get(name).copied().unwrap_or(Quantity::ZERO);
            of(&kube).plus(of(&system))
        };
        let cpu = Quantity::from_milli(i64::from(facts.cpus) * 1000);
        let memory = Quantity::from_bytes(i64::try_from(facts.memory_bytes).unwrap_or(i64::MAX));
        let kept_free = config.eviction_hard.get("memory.available").and_then(|text| threshold(text, memory));
        let reserved_memory = reserved("memory").plus(kept_free.unwrap_or(Quantity::ZERO));
        let cores = i64::from(facts.cpus);
        let most = i64::from(config.max_pods);
        Ok(Self {
            milli_cpu: left("cpu", cpu, reserved("cpu"))?.milli_value(),
            memory: left("memory", memory, reserved_memory)?.value(),
            pods: config.pods_per_core.map_or(most, |n| most.min(cores.saturating_mul(i64::from(n)))),
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
        // Upstream multiplies in 32 bits and cuts off what is behind the point.
        Some(percent) => {
            let part = percent.parse::<f32>().ok()? / 100.0;
            Some(Quantity::from_bytes((capacity.value() as f32 * part) as i64))
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
            Allocatable::of(&loaded.config, &sim.world.machine.facts().unwrap())
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
        assert_eq!(of(args).unwrap(), Allocatable { milli_cpu, memory, pods });
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
