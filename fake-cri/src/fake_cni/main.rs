//! The `fake-cni` program: all plugins in one executable, by the name it is called with or the configuration's `type`.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    path::Path,
    process::ExitCode,
};

use fake_cri::cni::{executable, plugins, request::CONFIG_LIMIT};
use world::{World, random};

/// What is said without a command in the environment.
fn about(name: &str) -> String {
    format!(
        "{name}: CNI plugins that change nothing: {}.\n\n\
         Called by a container runtime, with CNI_COMMAND and its companions in the environment and a configuration on standard input.\n\
         The plugin is the one of the name it is called with (make links), else the configuration's \"type\".\n\n\
         A configuration's \"fakeCni\": {{\"journal\": FILE, \"faults\": FILE}}, or FAKE_CNI_JOURNAL and FAKE_CNI_FAULTS in the\n\
         environment, name a file that every call is written to as a JSON line, and a YAML list of faults:\n\
         - rpc: cni.bridge.ADD\n  do: 2x error no, then ok\n",
        plugins::NAMES.join(", ")
    )
}

fn main() -> ExitCode {
    let called = std::env::args().next().unwrap_or_default();
    let called = Path::new(&called).file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let environment: BTreeMap<String, String> = std::env::vars_os()
        .map(|(n, v)| (n.to_string_lossy().into_owned(), v.to_string_lossy().into_owned()))
        .collect();
    let mut out = std::io::stdout().lock();
    if !environment.contains_key("CNI_COMMAND") {
        let _ = out.write_all(about(&called).as_bytes());
        // As a plugin: without a command it has failed, unless somebody only asked what it is.
        return if std::env::args().nth(1).is_some() { ExitCode::SUCCESS } else { ExitCode::from(1) };
    }
    let mut input = Vec::new();
    let read = std::io::stdin().lock().take(CONFIG_LIMIT as u64 + 1).read_to_end(&mut input);
    if let Err(error) = read {
        let _ = writeln!(std::io::stderr(), "cannot read standard input: {error}");
        return ExitCode::from(1);
    }
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_time().build() else {
        return ExitCode::from(1);
    };
    let world = World::real(random::seed_from_host());
    let answer = runtime.block_on(executable::run(&world, &called, &environment, &input));
    if out.write_all(answer.output.as_bytes()).and_then(|()| out.flush()).is_err() {
        return ExitCode::from(1);
    }
    ExitCode::from(u8::try_from(answer.code).unwrap_or(1))
}
