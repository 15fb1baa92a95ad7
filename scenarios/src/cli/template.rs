//! `podlab new`: a scenario to start from.

use std::{io, path::Path};

use world::Files;

use super::Surroundings;

/// What a new scenario looks like.
const TEMPLATE: &str = "\
# yaml-language-server: $schema=./schema.json
# Run it with: podlab run FILE. `podlab schema` prints the schema that editors use.
name: a pod from a manifest runs and goes away
description: A manifest in the kubelet's directory makes a pod; taking it away leaves nothing behind.
steps:
  - put: web.yaml
    manifest:
      apiVersion: v1
      kind: Pod
      metadata: {name: web}
      spec:
        containers:
          - name: web
            image: nginx
  - eventually:
      pod: web
      is:
        status:
          phase: Running
          containerStatuses: [{name: web, ready: true, restartCount: 0}]
    within: 30s
  - get: http://${pods.web.status.podIP}/
    expect: {status: 200, contains: Welcome to nginx!}
  - remove: web.yaml
  - eventually:
      - no-pod: web
      - no-leaks: true
    within: 1m
";

/// Writes the template to `path` if nothing is there.
pub(super) fn write(path: &Path, around: &mut Surroundings<'_>) -> io::Result<u8> {
    let files = Files::real("/");
    let absolute = std::path::absolute(path)?;
    if files.symlink_metadata(&absolute).is_ok() {
        writeln!(around.err, "error: {} is there already", path.display())?;
        return Ok(2);
    }
    if let Err(error) = files.write(&absolute, TEMPLATE.as_bytes(), 0o644) {
        writeln!(around.err, "error: {}: {error}", path.display())?;
        return Ok(2);
    }
    writeln!(around.out, "wrote {}; run it with: podlab run {}", path.display(), path.display())?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_template_is_well_formed() {
        crate::format::parse("new.yaml", super::TEMPLATE).unwrap();
    }
}
