//! Manifests that nobody would write, from bytes to what the runtime would be asked: what fuzzers and tests call. Whatever the bytes are,
//! it returns, and `findings` refuses what the kubelet refuses. No world: nothing is read and nothing is made.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Pod;
use world::machine::Facts;

use crate::{
    api::{decode, gojson, identity::Source, pod as api_pod, static_pod},
    findings::{self, Finding, Weight},
    node::Allocatable,
    pods::admission,
    runtime::{
        NoProbes, RuntimeSettings,
        container_config::{ContainerInput, ResolvedImage, container_config, env, security},
        observed::ObservedPod,
        plan, sandbox_config,
    },
};

/// Pieces that go wrong in interesting ways when they stand where others should.
pub const FRAGMENTS: &[&str] = &[
    "9223372036854775807",
    "-9223372036854775808",
    "1e308",
    "1e-308",
    "0x7fffffff",
    "010",
    "1_000",
    "~",
    "null",
    "[]",
    "{}",
    "\"\"",
    "$(A)",
    "$(A)$(A)$(A)$(A)",
    "$$(A)",
    "$(",
    "9999999999Ei",
    "-1n",
    "0.000000001",
    "1E400",
    "1e-2147483648",
    "&a",
    "*a",
    "<<: *a",
    "- ",
    ": ",
    "\n",
    "  ",
    "---\n",
    "...\n",
    "!!binary ",
    "!!float ",
    "|\n",
    ">-\n",
    "? ",
    "%YAML 1.1\n",
    "\u{feff}",
    "\u{2028}",
    "\t",
    "yes",
    "2026-01-01T00:00:00Z",
    "../..",
    "/proc/self/../..",
    "metadata.labels['']",
    "metadata.annotations['\u{0}']",
    "é",
    "\u{1f600}",
    "65536",
    "-1",
    "4294967296",
    "2147483648",
    "hugepages-2Mi: 3",
    "limits: {cpu: -1}",
    "::1",
    "0.0.0.0/0",
    "kind: PodList\nitems:\n- ",
];

/// Takes a manifest to its end. Gives whether a pod came of it that the kubelet would run.
///
/// # Panics
/// What the kubelet refuses is not refused by `findings`, or the other way round.
pub fn manifest(bytes: &[u8]) -> bool {
    let said = findings::manifest(bytes);
    let pods = match decode::manifest(bytes) {
        Ok(pod) => vec![pod],
        Err(_) => {
            let Ok(pods) = decode::list(bytes) else {
                assert!(findings::refuse(&said), "what cannot be read is refused: {said:?}");
                return false;
            };
            pods
        }
    };
    let mut good = true;
    for pod in pods {
        match static_pod::accept(pod, Source::File("/etc/kubernetes/manifests/x.yaml"), "node1") {
            Ok(pod) => good &= run(&pod),
            Err(error) => {
                let _ = error.to_string();
                good = false;
            }
        }
    }
    let refused = |finding: &Finding| matches!(finding.weight, Weight::Refused | Weight::NeedsApiServer);
    assert_eq!(good, !said.iter().any(refused), "{said:?}");
    good
}

/// What is worked out about a pod before anything is done; whether every node of its kind takes it.
fn run(pod: &Pod) -> bool {
    let settings = RuntimeSettings::new("node1", Facts::simulated());
    let node = admission::Node {
        name: "node1".to_owned(),
        labels: admission::Node::standard_labels("node1", "amd64", &BTreeMap::new()),
        allocatable: Allocatable { milli_cpu: 4000, memory: 8 << 30, pods: 110, ..Allocatable::default() },
        apparmor: true,
        supplemental_groups_policy: true,
        allowed_sysctls: Vec::new(),
    };
    let _ = admission::admit(pod, &admission::Neighbours::default(), &node);
    let _ = gojson::pod(pod);
    let _ = plan::plan(pod, &ObservedPod::default(), &NoProbes);
    let node_dns = || sandbox_config::dns::parse("nameserver 192.0.2.53\nsearch example.com\n");
    if let Ok(dns) = sandbox_config::dns::pod_dns(pod, &settings, node_dns) {
        let _ = sandbox_config::sandbox_config(pod, 0, dns.config, &settings);
    }
    let image = ResolvedImage { reference: "sha256:0".to_owned(), ..ResolvedImage::default() };
    for each in api_pod::containers(pod) {
        let pod_ips = ["10.0.0.1".to_owned()];
        let input = ContainerInput {
            pod,
            container: each.container,
            restart_count: 0,
            image: &image,
            pod_ips: &pod_ips,
            settings: &settings,
        };
        let _ = security::verify_non_root(&input);
        if let Ok(envs) = env::environment(
            &input,
            &|_, _| Ok(env::EnvFile { text: Some("A='1'\n".to_owned()), ..Default::default() }),
            &|_, _| None,
        ) {
            let _ = container_config(&input, envs, Vec::new());
        }
    }
    admission::anywhere(pod, &[]).is_ok()
}

/// A manifest made worse: `seed` decides where pieces are put in, taken out, doubled or swapped. The same seed does the same.
pub fn spoil(manifest: &str, mut seed: u64) -> Vec<u8> {
    let mut draw = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % u64::try_from(below.max(1)).unwrap_or(1)).unwrap_or(0)
    };
    let mut bytes = manifest.as_bytes().to_vec();
    for _ in 0..=draw(6) {
        let at = draw(bytes.len());
        let to = (at + draw(40)).min(bytes.len());
        match draw(6) {
            0 => drop(bytes.drain(at..to)),
            1 => {
                let piece = bytes.get(at..to).unwrap_or_default().to_vec();
                let there = draw(bytes.len());
                bytes.splice(there..there, piece);
            }
            2 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = u8::try_from(draw(256)).unwrap_or(0);
                }
            }
            3 => {
                // A value in the place of another.
                let start =
                    bytes.iter().skip(at).position(|&b| b == b':').map_or(at, |more| at + more + 1).min(bytes.len());
                let end = bytes
                    .iter()
                    .skip(start)
                    .position(|&b| matches!(b, b'\n' | b',' | b'}'))
                    .map_or(bytes.len(), |more| start + more);
                let piece = FRAGMENTS.get(draw(FRAGMENTS.len())).copied().unwrap_or_default();
                bytes.splice(start..end, format!(" {piece}").into_bytes());
            }
            _ => {
                let piece = FRAGMENTS.get(draw(FRAGMENTS.len())).copied().unwrap_or_default();
                bytes.splice(at..at, piece.bytes());
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const CORPUS: &str = include_str!("../tests/fixtures/validation/corpus.yaml");

    #[test]
    fn spoilt_manifests_end() {
        let good = CORPUS.split("\n---\n").enumerate().filter(|(_, text)| manifest(text.as_bytes())).count();
        assert!(good > 20, "{good}");
        for (index, text) in CORPUS.split("\n---\n").enumerate() {
            for round in 1..=6_u64 {
                let seed = round.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::try_from(index).unwrap();
                manifest(&spoil(text, seed));
            }
        }
    }

    #[test]
    fn bombs_end_soon() {
        let mut text = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for (from, to) in "abcdefgh".chars().zip("bcdefghi".chars()) {
            text.push_str(&format!(
                "{to}: &{to} [*{from}, *{from}, *{from}, *{from}, *{from}, *{from}, *{from}, *{from}, *{from}]\n"
            ));
        }
        assert!(!manifest(text.as_bytes()));
        assert!(!manifest("[".repeat(100_000).as_bytes()));
        assert!(!manifest("{\"a\":".repeat(100_000).as_bytes()));
        assert!(!manifest(format!("a: {}", "[".repeat(50_000)).as_bytes()));
    }

    #[test]
    fn a_variable_that_doubles_ends() {
        let mut env = String::from("{name: V0, value: 0123456789abcdef}");
        for number in 1..40 {
            let before = number - 1;
            env.push_str(&format!(", {{name: V{number}, value: $(V{before})$(V{before})}}"));
        }
        let text = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec: {{containers: [{{name: c, image: i, env: [{env}]}}]}}\n"
        );
        manifest(text.as_bytes());
        let open = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec: {{containers: [{{name: c, image: i, args: ['{}']}}]}}\n",
            "$(".repeat(500_000)
        );
        assert!(manifest(open.as_bytes()));
    }
}
