//! What a hostile runtime can send a plugin, taken in to its end: the entry point of fuzzers and tests. Whatever the bytes are, it returns.

use std::collections::BTreeMap;

use world::{Files, WallClock, sim::MemoryFiles};

use super::{Request, configuration::NetworkConfig, plugins};

/// Takes bytes in as a configuration list and as every command's standard input. The first byte chooses the command.
pub fn configuration(bytes: &[u8]) {
    let Some((choice, input)) = bytes.split_first() else { return };
    let _ = NetworkConfig::parse(input);
    let commands = ["ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION"];
    let command = commands[usize::from(*choice) % commands.len()];
    let environment: BTreeMap<String, String> = [
        ("CNI_COMMAND", command),
        ("CNI_CONTAINERID", "a"),
        ("CNI_NETNS", "/n"),
        ("CNI_IFNAME", "eth0"),
        ("CNI_PATH", "/p"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let Ok(request) = Request::read(&environment, input) else { return };
    let _ = request.previous();
    let files = Files::new(MemoryFiles::empty(WallClock::system()));
    let kind = request.kind();
    let named = plugins::NAMES.contains(&kind.as_str());
    for plugin in plugins::NAMES.into_iter().filter(|p| !named || *p == kind) {
        let _ = plugins::invoke(&files, plugin, &request);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Values where a configuration has some, right and wrong.
    fn value() -> impl Strategy<Value = String> {
        prop::sample::select(vec![
            "null",
            "7",
            "-1",
            "true",
            "\"x\"",
            "[]",
            "{}",
            "\"10.0.0.0/30\"",
            "\"fd00::/8\"",
            "\"0.0.0.0/0\"",
            "\"::/0\"",
            "\"10.0.0.9\"",
            "[[{\"subnet\":\"10.0.0.0/31\"}]]",
            "[[{\"subnet\":\"255.255.255.255/32\"}],[]]",
            "{\"ips\":[{\"address\":\"1.2.3.4/8\",\"interface\":9}]}",
            "{\"portMappings\":[{\"hostPort\":1,\"containerPort\":0}]}",
            "{\"bandwidth\":{\"ingressRate\":1}}",
            "99999999999999999999",
        ])
        .prop_map(str::to_owned)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn configurations_of_all_shapes_are_answered(
            choice in any::<u8>(),
            plugin in prop::sample::select(plugins::NAMES.to_vec()),
            keys in prop::collection::vec((prop::sample::select(vec!["ranges", "subnet", "rangeStart", "rangeEnd", "gateway", "routes", "dataDir"]), value()), 0..5),
            more in prop::collection::vec((prop::sample::select(vec!["prevResult", "runtimeConfig", "mac", "mtu", "dns", "isDefaultGateway"]), value()), 0..4),
        ) {
            let join = |pairs: &[(&str, String)]| pairs.iter().map(|(k, v)| format!(",\"{k}\":{v}")).collect::<String>();
            let text = format!(
                "{{\"cniVersion\":\"1.1.0\",\"name\":\"n\",\"type\":\"{plugin}\",\"ipam\":{{\"type\":\"host-local\"{}}}{}}}",
                join(&keys), join(&more)
            );
            let mut bytes = vec![choice];
            bytes.extend_from_slice(text.as_bytes());
            configuration(&bytes);
        }
    }
}
