//! Which package may depend on which: arrows point one way, and the kubelet never sees what tests it.

use super::{Finding, Tree};

/// A package: its manifest, the packages of the workspace that it may depend on, and those that its tests may on top.
struct Layer {
    manifest: &'static str,
    may: &'static [&'static str],
    tests_may: &'static [&'static str],
    /// Packages from outside that it must not know.
    never: &'static [&'static str],
}

const LAYERS: [Layer; 8] = [
    Layer { manifest: "proto/Cargo.toml", may: &[], tests_may: &[], never: &["k8s-openapi", "tokio"] },
    Layer { manifest: "world/Cargo.toml", may: &[], tests_may: &["world"], never: &["k8s-openapi", "tonic"] },
    Layer {
        manifest: "Cargo.toml",
        may: &["cri-proto", "world"],
        tests_may: &["fake-cri", "podlab"],
        never: &["inotify", "rustix"],
    },
    Layer { manifest: "fake-cri/Cargo.toml", may: &["cri-proto", "world"], tests_may: &[], never: &["k8s-openapi"] },
    // Outside the workspace: it needs a fuzzing toolchain.
    Layer { manifest: "fake-cri/fuzz/Cargo.toml", may: &["fake-cri"], tests_may: &[], never: &[] },
    Layer { manifest: "fuzz/Cargo.toml", may: &["kubelet"], tests_may: &[], never: &[] },
    Layer {
        manifest: "scenarios/Cargo.toml",
        may: &["cri-proto", "world", "fake-cri", "kubelet"],
        tests_may: &[],
        never: &[],
    },
    Layer { manifest: "xtask/Cargo.toml", may: &["podlab"], tests_may: &[], never: &["tokio"] },
];

/// The workspace's packages, as dependencies name them.
const OURS: [&str; 6] = ["cri-proto", "world", "kubelet", "fake-cri", "podlab", "xtask"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for layer in &LAYERS {
        let Some(text) = tree.text(layer.manifest) else { continue };
        for (line, section, name) in dependencies(text) {
            let for_tests = section == "dev-dependencies";
            let own = !OURS.contains(&name)
                || layer.may.contains(&name)
                || for_tests && (layer.tests_may.contains(&name) || layer.may.contains(&name));
            if !own {
                findings.push(Finding::refused(
                    layer.manifest,
                    line,
                    "layers",
                    format!("{section} on {name}: not an arrow of this architecture"),
                ));
            }
            if layer.never.contains(&name) && !for_tests {
                findings.push(Finding::refused(
                    layer.manifest,
                    line,
                    "layers",
                    format!("{name} is not known in this package: go through the layer that owns it"),
                ));
            }
        }
    }
    let named: Vec<&str> = LAYERS.iter().map(|l| l.manifest).collect();
    for (path, _) in
        tree.texts().filter(|(p, _)| p.ends_with("Cargo.toml") && !p.contains("/fixtures/") && !p.starts_with("fuzz/"))
    {
        if !named.contains(&path) {
            findings.push(Finding::refused(
                path,
                0,
                "layers",
                "say in xtask's table of layers what this package may depend on",
            ));
        }
    }
    findings
}

/// Line, section and name of every dependency of a manifest. Knows the two forms that we write: a key, and a section per dependency.
fn dependencies(text: &str) -> Vec<(usize, &str, &str)> {
    let mut found = Vec::new();
    let mut section = "";
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[') {
            section = name
                .trim_end_matches(']')
                .trim_start_matches("target.")
                .rsplit_once("'.")
                .map_or(name.trim_end_matches(']'), |(_, s)| s);
            if let Some((kind, name)) =
                section.split_once("dependencies.").filter(|_| !section.starts_with("workspace"))
            {
                let section = if kind == "dev-" { "dev-dependencies" } else { "dependencies" };
                found.push((index + 1, section, name));
            }
        } else if matches!(section, "dependencies" | "dev-dependencies" | "build-dependencies")
            && !line.starts_with('#')
        {
            let name = line.split(['.', '=', ' ']).next().unwrap_or_default();
            if !name.is_empty() {
                found.push((index + 1, section, name));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::{places, sample};

    #[test]
    fn arrows_that_point_back_are_refused() {
        let tree = sample(&[
            (
                "Cargo.toml",
                "[workspace.dependencies]\nfake-cri = {}\n[dependencies]\nworld.workspace = true\nfake-cri.workspace = true\n[dev-dependencies]\nfake-cri.workspace = true\n",
            ),
            ("world/Cargo.toml", "[dependencies]\ncri-proto = { path = \"../proto\" }\n"),
            ("fake-cri/Cargo.toml", "[dependencies]\nk8s-openapi = \"1\"\n[dependencies.kubelet]\n"),
            ("scenarios/Cargo.toml", "[dependencies]\nkubelet.workspace = true\n"),
            ("new/Cargo.toml", ""),
        ]);
        assert_eq!(
            places(&check(&tree)),
            [
                "world/Cargo.toml:2",
                "Cargo.toml:5",
                "fake-cri/Cargo.toml:2",
                "fake-cri/Cargo.toml:3",
                "new/Cargo.toml:0"
            ]
        );
    }
}
