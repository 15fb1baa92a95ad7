//! What a runtime does around plugins: chains them, keeps their results, undoes them in reverse, checks and collects. As libcni does.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use base64::Engine as _;
use serde_json::{Map, Value, json};
use tonic::{Code, Status};
use world::{Files, Programs, programs::Invocation};

use super::{Command, Error, NetworkResult, Request, code, configuration::NetworkConfig, plugins, version};
use crate::faults::{Action, Call, Faults};

/// Longest answer of a plugin, and longest result kept.
const ANSWER_LIMIT: usize = 4 * 1024 * 1024;

/// How long an executable may take, as CRI-O allows.
const PATIENCE: Duration = Duration::from_secs(300);

/// What is attached: a sandbox's interface.
#[derive(Clone, Debug, Default)]
pub struct Attachment {
    /// Id of the sandbox.
    pub container_id: String,
    /// Path of its network namespace; empty once that is gone.
    pub netns: String,
    /// Name of the interface in it.
    pub ifname: String,
    /// `CNI_ARGS`.
    pub args: Vec<(String, String)>,
    /// What plugins with these capabilities are told: `portMappings`, `bandwidth`, …
    pub capabilities: Map<String, Value>,
    /// Name of the pod, for faults.
    pub pod: String,
}

/// Where plugins are.
#[derive(Clone, Debug)]
pub enum Plugins {
    /// In this process. Faults are asked about `cni.PLUGIN.COMMAND`.
    Library,
    /// Executables in these directories, the first that has one.
    Executables(Programs, Vec<PathBuf>),
}

/// Calls the plugins of networks.
#[derive(Clone, Debug)]
pub struct Libcni {
    /// Where results and addresses are kept.
    pub files: Files,
    /// Directory of kept results.
    pub cache: PathBuf,
    /// Where plugins are.
    pub plugins: Plugins,
    /// What goes wrong.
    pub faults: Arc<Faults>,
}

/// An injected status as a plugin's error.
pub(super) fn injected(status: &Status) -> Error {
    let code = if status.code() == Code::Unavailable { code::AGAIN } else { code::OTHER };
    Error::new(code, status.message())
}

impl Libcni {
    fn cached(&self, network: &NetworkConfig, attachment: &Attachment) -> PathBuf {
        let name = format!("{}-{}-{}", network.name, attachment.container_id, attachment.ifname);
        self.cache.join("results").join(name)
    }

    /// One call of one plugin, with the command's word in errors as libcni has it.
    async fn call(
        &self,
        command: Command,
        network: &NetworkConfig,
        attachment: &Attachment,
        config: Map<String, Value>,
    ) -> Result<Option<Value>, Error> {
        let kind = config.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        let word = match command {
            Command::Del => "delete".to_owned(),
            other => other.name().to_ascii_lowercase(),
        };
        let answer = match &self.plugins {
            Plugins::Library => self.library(command, &kind, attachment, config).await,
            Plugins::Executables(programs, path) => execute(programs, path, command, &kind, attachment, &config).await,
        };
        answer.map_err(|error| {
            let details = format!("plugin type={kind:?} failed ({word}): {error}");
            Error { msg: details, details: String::new(), version: network.version.clone(), ..error }
        })
    }

    async fn library(
        &self,
        command: Command,
        kind: &str,
        attachment: &Attachment,
        config: Map<String, Value>,
    ) -> Result<Option<Value>, Error> {
        let rpc = format!("cni.{kind}.{}", command.name());
        let action = self.faults.decide(&Call { rpc: &rpc, pod: Some(&attachment.pod), ..Call::default() });
        action.before().await.map_err(|s| injected(&s))?;
        if action == Action::Leak && command == Command::Del {
            return Ok(None);
        }
        let request = Request {
            command,
            container_id: attachment.container_id.clone(),
            netns: attachment.netns.clone(),
            ifname: attachment.ifname.clone(),
            config,
        };
        let answer = plugins::invoke(&self.files, kind, &request);
        action.after().await.map_err(|s| injected(&s))?;
        answer
    }

    /// ADD: every plugin in order, each with the result of the one before. After an error the caller must DEL.
    ///
    /// # Errors
    /// The first plugin's that fails.
    pub async fn add(&self, network: &NetworkConfig, attachment: &Attachment) -> Result<NetworkResult, Error> {
        let mut result: Option<Value> = None;
        for plugin in &network.plugins {
            let config = network.for_plugin(plugin, result.as_ref(), &attachment.capabilities);
            result = self.call(Command::Add, network, attachment, config).await?.or(result);
        }
        let value = result.unwrap_or_else(|| json!({ "cniVersion": network.version }));
        let path = self.cached(network, attachment);
        let plugins = serde_json::to_vec(&network.plugins).unwrap_or_default();
        let args: Vec<[&String; 2]> = attachment.args.iter().map(|(k, v)| [k, v]).collect();
        let kept = json!({
            "kind": "cniCacheV1",
            "containerId": attachment.container_id,
            "config": base64::engine::general_purpose::STANDARD.encode(plugins),
            "ifName": attachment.ifname,
            "networkName": network.name,
            "netns": attachment.netns,
            "cniArgs": args,
            "capabilityArgs": attachment.capabilities,
            "result": value,
        });
        self.files.create_dir_all(path.parent().unwrap_or(Path::new("/")), 0o700)?;
        self.files.write(&path, kept.to_string().as_bytes(), 0o600)?;
        NetworkResult::read(&value).map_err(|e| Error::new(code::DECODE, format!("unparseable result: {e}")))
    }

    /// The result of an ADD. One that cannot be read counts as none.
    pub fn result(&self, network: &NetworkConfig, attachment: &Attachment) -> Option<Value> {
        let text = self.files.read(&self.cached(network, attachment), ANSWER_LIMIT as u64).ok()?;
        let kept: Value = serde_json::from_slice(&text).ok()?;
        kept.get("result").cloned()
    }

    /// DEL: every plugin in reverse, then the kept result goes.
    ///
    /// # Errors
    /// The first plugin's that fails; the result is kept then, for another try.
    pub async fn del(&self, network: &NetworkConfig, attachment: &Attachment) -> Result<(), Error> {
        let previous = self.result(network, attachment).filter(|_| version(&network.version) >= (0, 4, 0));
        for plugin in network.plugins.iter().rev() {
            let config = network.for_plugin(plugin, previous.as_ref(), &attachment.capabilities);
            self.call(Command::Del, network, attachment, config).await?;
        }
        match self.files.remove_file(&self.cached(network, attachment)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// CHECK: every plugin in order, with the kept result. Nothing where the network says so.
    ///
    /// # Errors
    /// The first plugin's that fails; if there is no result.
    pub async fn check(&self, network: &NetworkConfig, attachment: &Attachment) -> Result<(), Error> {
        if network.disable_check {
            return Ok(());
        }
        if version(&network.version) < (0, 4, 0) {
            let text = format!("configuration version {:?} {}", network.version, "does not support CHECK command");
            return Err(Error::new(code::VERSION, text));
        }
        let previous = self.result(network, attachment);
        let missing = || Error::other(format!("failed to get network {:?} cached result: no such file", network.name));
        let previous = previous.ok_or_else(missing)?;
        for plugin in &network.plugins {
            let config = network.for_plugin(plugin, Some(&previous), &attachment.capabilities);
            self.call(Command::Check, network, attachment, config).await?;
        }
        Ok(())
    }

    /// GC: tells every plugin what is still attached. Nothing below 1.1.0.
    ///
    /// # Errors
    /// The plugins' together.
    pub async fn gc(&self, network: &NetworkConfig, valid: &[Attachment]) -> Result<(), Error> {
        if version(&network.version) < (1, 1, 0) {
            return Ok(());
        }
        let list: Vec<Value> =
            valid.iter().map(|a| json!({ "containerID": a.container_id, "ifname": a.ifname })).collect();
        let mut failed = Vec::new();
        for plugin in &network.plugins {
            let mut config = network.for_plugin(plugin, None, &Map::new());
            config.insert("cni.dev/valid-attachments".to_owned(), Value::from(list.clone()));
            if let Err(error) = self.call(Command::Gc, network, &Attachment::default(), config).await {
                failed.push(error.to_string());
            }
        }
        if failed.is_empty() { Ok(()) } else { Err(Error::other(failed.join("\n"))) }
    }

    /// STATUS: whether an ADD could be served. Nothing below 1.1.0.
    ///
    /// # Errors
    /// The first plugin's.
    pub async fn status(&self, network: &NetworkConfig) -> Result<(), Error> {
        if version(&network.version) < (1, 1, 0) {
            return Ok(());
        }
        for plugin in &network.plugins {
            let config = network.for_plugin(plugin, None, &Map::new());
            self.call(Command::Status, network, &Attachment::default(), config).await?;
        }
        Ok(())
    }
}

/// Runs a plugin's executable and reads its answer.
async fn execute(
    programs: &Programs,
    path: &[PathBuf],
    command: Command,
    kind: &str,
    attachment: &Attachment,
    config: &Map<String, Value>,
) -> Result<Option<Value>, Error> {
    if kind.contains('/') {
        return Err(Error::other(format!("invalid plugin name: {kind}")));
    }
    let joined = path.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(":");
    let args = attachment.args.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(";");
    let variables = BTreeMap::from([
        ("CNI_COMMAND", command.name().to_owned()),
        ("CNI_CONTAINERID", attachment.container_id.clone()),
        ("CNI_NETNS", attachment.netns.clone()),
        ("CNI_IFNAME", attachment.ifname.clone()),
        ("CNI_ARGS", args),
        ("CNI_PATH", joined.clone()),
        ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin".to_owned()),
    ]);
    let stdin = serde_json::to_vec(config).unwrap_or_default();
    for directory in path {
        let invocation = Invocation {
            program: directory.join(kind),
            env: variables.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect(),
            stdin: stdin.clone(),
            timeout: Some(PATIENCE),
            output_limit: ANSWER_LIMIT,
            ..Invocation::default()
        };
        let outcome = match programs.run(invocation).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other.map_err(|e| Error::other(format!("netplugin failed: {e}")))?,
        };
        return answer(command, outcome.code, &outcome.stdout, &outcome.stderr);
    }
    Err(Error::other(format!("failed to find plugin {kind:?} in path [{joined}]")))
}

/// What an executable's exit and output mean, in libcni's words.
fn answer(command: Command, exit: i32, stdout: &[u8], stderr: &[u8]) -> Result<Option<Value>, Error> {
    if exit == 0 {
        if command != Command::Add && command != Command::Version {
            return Ok(None);
        }
        return serde_json::from_slice(stdout)
            .map(Some)
            .map_err(|e| Error::new(code::DECODE, format!("unparseable result: {e}")));
    }
    let said = String::from_utf8_lossy(stderr).into_owned();
    if stdout.is_empty() {
        let text = if said.is_empty() {
            "netplugin failed with no error message".to_owned()
        } else {
            format!("netplugin failed: {said:?}")
        };
        return Err(Error::other(text));
    }
    match serde_json::from_slice::<Error>(stdout) {
        Ok(error) => Err(error),
        Err(error) => Err(Error::other(format!(
            "netplugin failed but error parsing its diagnostic message {:?}: {error}",
            String::from_utf8_lossy(stdout)
        ))),
    }
}

#[cfg(test)]
mod tests {
    use world::{Random, WallClock, sim::MemoryFiles};

    use super::*;
    use crate::faults::Fault;

    fn libcni(faults: &[(&str, &str)]) -> Libcni {
        let set = Faults::new(Random::from_seed(1).fork("faults"));
        let rules = faults.iter().map(|(rpc, script)| Fault {
            rpc: (*rpc).to_owned(),
            script: (*script).to_owned(),
            ..Fault::default()
        });
        set.set(rules.collect()).expect("faults");
        Libcni {
            files: Files::new(MemoryFiles::empty(WallClock::system())),
            cache: "/var/lib/cni".into(),
            plugins: Plugins::Library,
            faults: Arc::new(set),
        }
    }

    fn network(version: &str) -> NetworkConfig {
        let text = json!({"name": "net", "cniVersion": version, "plugins": [
            {"type": "bridge", "ipam": {"type": "host-local", "subnet": "10.0.0.0/24"}},
            {"type": "portmap", "capabilities": {"portMappings": true}},
            {"type": "tuning", "mac": "02:00:00:00:00:01"},
        ]});
        NetworkConfig::parse(text.to_string().as_bytes()).expect("a network")
    }

    fn attachment(id: &str) -> Attachment {
        Attachment {
            container_id: id.to_owned(),
            netns: "/run/netns/x".to_owned(),
            ifname: "eth0".to_owned(),
            ..Default::default()
        }
    }

    #[rstest::rstest]
    #[case("0.3.1")]
    #[case("0.4.0")]
    #[case("1.0.0")]
    #[case("1.1.0")]
    #[tokio::test]
    async fn a_chain_comes_and_goes_in_every_version(#[case] version: &str) {
        let (cni, network, pod) = (libcni(&[]), network(version), attachment("a"));
        let result = cni.add(&network, &pod).await.expect("attached");
        assert_eq!(result.addresses_of("eth0").len(), 1);
        assert_eq!(result.interfaces[2].mac, "02:00:00:00:00:01", "the last of the chain has changed it");
        let checked = cni.check(&network, &pod).await;
        assert_eq!(checked.is_ok(), version != "0.3.1", "{checked:?}");
        cni.del(&network, &pod).await.expect("detached");
        cni.del(&network, &pod).await.expect("again");
        assert!(cni.result(&network, &pod).is_none());
        assert!(super::super::ipam::HostLocal::taken(&cni.files, Path::new("/var/lib/cni/networks/net")).is_empty());
    }

    #[tokio::test]
    async fn an_error_in_the_chain_is_told_with_its_plugin() {
        let mut pod = attachment("a");
        pod.capabilities.insert("portMappings".to_owned(), json!([{"hostPort": 99999, "containerPort": 80}]));
        let error = libcni(&[]).add(&network("1.0.0"), &pod).await.expect_err("no such port");
        let wanted = "plugin type=\"portmap\" failed (add): failed to parse config: Invalid host port number: 99999";
        assert_eq!(error.to_string(), wanted);
    }

    #[tokio::test]
    async fn faults_hit_a_plugin_and_nothing_else() {
        let cni = libcni(&[("*", "error everything"), ("cni.bridge.DEL", "1x error UNAVAILABLE not now, then ok")]);
        let (network, pod) = (network("1.0.0"), attachment("a"));
        cni.add(&network, &pod).await.expect("a rule for every rpc is not one for plugins");
        let error = cni.del(&network, &pod).await.expect_err("once");
        assert_eq!(
            (error.code, error.to_string().as_str()),
            (code::AGAIN, "plugin type=\"bridge\" failed (delete): not now")
        );
        assert!(cni.result(&network, &pod).is_some(), "kept for another try");
        cni.del(&network, &pod).await.expect("then it goes");
    }

    #[tokio::test]
    async fn collection_frees_what_nobody_has() {
        let (cni, network) = (libcni(&[]), network("1.1.0"));
        cni.add(&network, &attachment("a")).await.expect("attached");
        cni.add(&network, &attachment("b")).await.expect("attached");
        cni.gc(&network, &[attachment("b")]).await.expect("collected");
        let taken = super::super::ipam::HostLocal::taken(&cni.files, Path::new("/var/lib/cni/networks/net"));
        assert_eq!(taken.len(), 1);
        cni.status(&network).await.expect("ready");
    }

    #[rstest::rstest]
    #[case(0, "{}", "", None)]
    #[case(0, "junk", "", Some("unparseable result: expected value at line 1 column 1"))]
    #[case(1, "", "", Some("netplugin failed with no error message"))]
    #[case(1, "", "boom", Some("netplugin failed: \"boom\""))]
    #[case(1, r#"{"code":999,"msg":"no","details":"way"}"#, "", Some("no; way"))]
    #[case(
        1,
        "junk",
        "",
        Some("netplugin failed but error parsing its diagnostic message \"junk\": expected value at line 1 column 1")
    )]
    fn what_an_executable_says(#[case] exit: i32, #[case] out: &str, #[case] err: &str, #[case] text: Option<&str>) {
        let answer = answer(Command::Add, exit, out.as_bytes(), err.as_bytes());
        assert_eq!(answer.err().map(|e| e.to_string()).as_deref(), text);
    }
}
