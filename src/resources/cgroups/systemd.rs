//! Slices, asked of systemd over its bus with `busctl`, which every systemd brings along. Not what they hold: that is `values`.

use std::{io, time::Duration};

use world::{
    machine::CgroupVersion,
    programs::{Invocation, Outcome, Programs},
};

use super::values::Values;

const BUSCTL: &str = "/usr/bin/busctl";
const SYSTEMCTL: &str = "/usr/bin/systemctl";
/// The manager: name on the bus, object, interface.
const MANAGER: [&str; 3] =
    ["org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"];
const PATIENCE: Duration = Duration::from_secs(30);
const OUTPUT: usize = 64 * 1024;

/// Starts a slice with these values below `parent`, or gives them to one that there is.
///
/// # Errors
/// systemd is not here, or refuses; its words.
pub(super) async fn put(
    programs: &Programs,
    slice: &str,
    parent: &str,
    values: &Values,
    version: CgroupVersion,
) -> Result<(), String> {
    let properties = values.properties(version);
    let mut start = vec!["StartTransientUnit".to_owned(), "ssa(sv)a(sa(sv))".to_owned()];
    start.extend([slice.to_owned(), "replace".to_owned()]);
    let accounting = match version {
        CgroupVersion::V2 => "IOAccounting",
        CgroupVersion::V1 => "BlockIOAccounting",
    };
    let switches = ["MemoryAccounting", "CPUAccounting", accounting, "TasksAccounting"];
    start.push((switches.len() + 3 + properties.len()).to_string());
    let text = |name: &str, value: String| [name.to_owned(), "s".to_owned(), value];
    start.extend(text("Description", format!("Pods of the kubelet: {slice}")));
    start.extend(["Wants", "as", "1", parent].map(str::to_owned));
    start.extend(switches.iter().flat_map(|switch| [switch, "b", "true"].map(str::to_owned)));
    start.extend(["DefaultDependencies", "b", "false"].map(str::to_owned));
    let given = |properties: &[(&str, &str, String)]| -> Vec<String> {
        properties
            .iter()
            .flat_map(|(name, kind, value)| [(*name).to_owned(), (*kind).to_owned(), value.clone()])
            .collect()
    };
    start.extend(given(&properties));
    start.push("0".to_owned());
    let started = call(programs, start).await?;
    if started.code == 0 {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&started.stderr).trim().to_owned();
    // UnitExists, as systemd words it.
    if !words.contains("already") {
        return Err(words);
    }
    let mut set = vec!["SetUnitProperties".to_owned(), "sba(sv)".to_owned(), slice.to_owned(), "true".to_owned()];
    set.push(properties.len().to_string());
    set.extend(given(&properties));
    let done = call(programs, set).await?;
    if done.code == 0 { Ok(()) } else { Err(String::from_utf8_lossy(&done.stderr).trim().to_owned()) }
}

async fn call(programs: &Programs, method: Vec<String>) -> Result<Outcome, String> {
    // The root slice is named like an option: nothing behind the dashes is one.
    let mut args = ["--quiet", "--", "call"].map(str::to_owned).to_vec();
    args.extend(MANAGER.map(str::to_owned));
    args.extend(method);
    run(programs, BUSCTL, args).await.map_err(|error| format!("{BUSCTL}: {error}"))
}

/// Stops a slice: nobody else does.
///
/// # Errors
/// `systemctl` could not be run.
pub(super) async fn stop(programs: &Programs, slice: &str) -> io::Result<()> {
    run(programs, SYSTEMCTL, vec!["stop".to_owned(), slice.to_owned()]).await.map(|_| ())
}

async fn run(programs: &Programs, program: &str, args: Vec<String>) -> io::Result<Outcome> {
    let invocation = Invocation {
        program: program.into(),
        args,
        timeout: Some(PATIENCE),
        output_limit: OUTPUT,
        ..Invocation::default()
    };
    programs.run(invocation).await
}

#[cfg(test)]
mod tests {
    use world::{Tasks, sim::SimWorld};

    use super::*;

    fn values() -> Values {
        Values { shares: Some(102), quota: Some((20_000, 100_000)), memory: Some(1 << 20), ..Values::default() }
    }

    /// The words of one call behind the name of the interface.
    fn said(sim: &SimWorld, call: usize) -> String {
        sim.programs.calls()[call].args[6..].join(" ")
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_slice_is_started_with_its_values() {
        let sim = SimWorld::new(1, &Tasks::root("test"));
        sim.programs.register(BUSCTL, |_| async { Ok(Outcome::default()) });
        put(&sim.world.programs, "a-b.slice", "a.slice", &values(), CgroupVersion::V2).await.unwrap();
        assert_eq!(
            said(&sim, 0),
            "StartTransientUnit ssa(sv)a(sa(sv)) a-b.slice replace 11 Description s Pods of the kubelet: a-b.slice Wants as 1 a.slice \
             MemoryAccounting b true CPUAccounting b true IOAccounting b true TasksAccounting b true DefaultDependencies b false \
             CPUWeight t 4 CPUQuotaPeriodUSec t 100000 CPUQuotaPerSecUSec t 200000 MemoryMax t 1048576 0"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_there_gets_the_values() {
        let sim = SimWorld::new(1, &Tasks::root("test"));
        sim.programs.register(BUSCTL, |invocation: Invocation| async move {
            let start = invocation.args.contains(&"StartTransientUnit".to_owned());
            let stderr = b"Call failed: Unit a.slice was already loaded or has a fragment file.\n".to_vec();
            Ok(if start { Outcome { code: 1, stderr, ..Outcome::default() } } else { Outcome::default() })
        });
        put(&sim.world.programs, "a.slice", "-.slice", &values(), CgroupVersion::V1).await.unwrap();
        assert_eq!(
            said(&sim, 1),
            "SetUnitProperties sba(sv) a.slice true 4 CPUShares t 102 CPUQuotaPeriodUSec t 100000 CPUQuotaPerSecUSec t 200000 \
             MemoryLimit t 1048576"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_told_in_systemds_words() {
        let sim = SimWorld::new(1, &Tasks::root("test"));
        let refused = Outcome { code: 1, stderr: b"Call failed: Access denied\n".to_vec(), ..Outcome::default() };
        sim.programs.register(BUSCTL, move |_| {
            let refused = refused.clone();
            async move { Ok(refused) }
        });
        let error = put(&sim.world.programs, "a.slice", "-.slice", &values(), CgroupVersion::V2).await.unwrap_err();
        assert_eq!(error, "Call failed: Access denied");
    }
}
