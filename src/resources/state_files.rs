//! The state files of upstream's CPU, memory and device-resource managers, which under their default policies give nothing away: their
//! content is always the same. Written so that an upstream kubelet finds what it expects; one that says something else is replaced, and
//! that is logged. As kubelet 1.36.

use std::{io, path::Path};

use world::Files;

/// Name and content of each. The checksums are upstream's, over dumps of its own structures.
const FILES: [(&str, &str); 3] = [
    ("cpu_manager_state", r#"{"policyName":"none","defaultCpuSet":"","checksum":1353318690}"#),
    ("memory_manager_state", r#"{"policyName":"None","machineState":{},"checksum":4236770233}"#),
    (
        "dra_manager_state",
        concat!(
            r#"{"Data":"{\"kind\":\"DRACheckpoint\",\"apiVersion\":\"checkpoint.dra.kubelet.k8s.io/v1\","#,
            r#"\"ClaimInfoStateList\":[]}","Checksum":2361995144}"#
        ),
    ),
];

/// Writes those that are missing or say something else.
///
/// # Errors
/// One cannot be written.
pub fn write(files: &Files, root: &Path) -> io::Result<()> {
    for (name, content) in FILES {
        let path = root.join(name);
        match files.read(&path, 1 << 20) {
            Ok(old) if old == content.as_bytes() => continue,
            Ok(_) => tracing::warn!(path = %path.display(), "State of another policy or broken state replaced"),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(path = %path.display(), %error, "State that cannot be read replaced"),
        }
        files.write_atomic(&path, content.as_bytes(), 0o600)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use world::{WallClock, sim::MemoryFiles};

    use super::*;

    #[test]
    fn what_is_there_already_stays_and_what_is_broken_is_replaced() {
        let files = Files::new(MemoryFiles::new(WallClock::simulated()));
        let root = Path::new("/r");
        files.create_dir_all(root, 0o755).unwrap();
        files.write(&root.join("cpu_manager_state"), b"{", 0o600).unwrap();
        write(&files, root).unwrap();
        write(&files, root).unwrap();
        for (name, content) in FILES {
            assert_eq!(files.read_to_string(&root.join(name), 1000).unwrap(), content);
            let value: serde_json::Value = serde_json::from_str(content).unwrap();
            assert!(value.is_object());
            assert_eq!(files.metadata(&root.join(name)).unwrap().mode, 0o600);
        }
    }
}
