//! What `podlab check` prints about manifests, as people see it.

use rstest::rstest;

use super::*;

const MIXED: &str = "\
# a manifest with something of everything
apiVersion: v1
kind: Pod
metadata:
  name: web
  labels:
    example.com/ok: 'no good value!'
spec:
  schedulerName: mine
  tolerations:
  - operator: Exists
  containers:
  - name: web
    image: nginx
    imagePullpolicy: Never
    ports:
    - containerPort: 80
    - containerPort: 70000
    env:
    - name: PASSWORD
      valueFrom:
        secretKeyRef: {name: db, key: password}
    resources:
      limits:
        cpu: 100m
      requests:
        cpu: 200m
  volumes:
  - name: settings
    configMap:
      name: settings
---
kind: Other
";

#[test]
fn a_manifest_with_something_of_everything() {
    insta::assert_snapshot!(shown("web.yaml", MIXED));
}

#[rstest]
#[case(
    "# nothing\n\n",
    "m: refused: there is nothing in the file (Object 'Kind' is missing in 'null'): a manifest begins with apiVersion and kind\n"
)]
#[case(
    "apiVersion: v1\nkind: Pod\nmetadata:\n  name: n\nspec: {containers: [{name: c, image: i}]}\n",
    "m:4: metadata.name: refused: json: cannot unmarshal bool into Go struct field ObjectMeta.metadata.name of type string: put the word in quotes, or it is a boolean, as are y, n, yes, no, on and off\n"
)]
#[case(
    "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: c\n    image: [1]\n",
    "m:7: spec.containers[0].image: refused: json: cannot unmarshal array into Go struct field Container.spec.containers.image of type string\n"
)]
#[case(
    "{\n\t\"apiVersion\": \"v1\",\n\t\"kind\": \"Pod\",\n\t\"metadata\": {\"name\": \"a\"},\n\t\"spec\": {\n\t\t\"containers\": [{\"name\": \"c\"}]\n\t}\n}",
    "m:6: spec.containers[0].image: refused: Required value\n"
)]
#[case("apiVersion: v1\nkind: Secret\n", "m:2: kind: refused: invalid pod: &core.Secret{}\n")]
#[case(
    "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: c, image: i}]}\n",
    "m: nothing to say: every field has its effect\n"
)]
fn one_thing_each(#[case] text: &str, #[case] want: &str) {
    assert_eq!(shown("m", text), want);
}

#[rstest]
#[case("apiVersion: v1\nkind: Pod\n", true)]
#[case("  {\"kind\": \"Pod\"}", true)]
#[case("name: x\nsteps:\n- put: a\n  manifest:\n    kind: Pod\n", false)]
#[case("kind: odd\nsteps: []\n", false)]
#[case("", true)]
#[case("# a comment\n---\n", true)]
#[case("metadata: {name: a}\n", true)]
#[case("name: a scenario\nmanifests: {a.yaml: {kind: Pod}}\nsteps: []\n", false)]
fn manifests_are_told_from_scenarios(#[case] text: &str, #[case] manifest: bool) {
    assert_eq!(is_manifest(text.as_bytes()), manifest);
}
