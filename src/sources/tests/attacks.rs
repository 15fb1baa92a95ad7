//! Attacks by what stands where pods come from (items 12 to 14 of the list that `crate::attacks` maps): odd entries of a directory, bytes
//! that are no manifest, UIDs that two files claim, and a server of pods that means no good.

use std::{path::Path, time::Duration};

use rstest::rstest;
use tokio::time::sleep;

use super::{Bench, DIR, NOTHING, manifest};
use crate::httpget::testing::{Script, Server, reply};

/// Item 12: entries that are no manifests beside one that is.
#[rstest]
#[case("fifo")]
#[case("device")]
#[case("loop")]
#[case("directory")]
#[case("dangling")]
#[case("link-to-device")]
#[tokio::test(start_paused = true)]
async fn an_entry_that_is_no_file_is_passed_over(#[case] what: &str) {
    let mut bench = Bench::new();
    bench.mkdir();
    let at = Path::new(DIR).join("a.yaml");
    let files = &bench.sim.world.files;
    match what {
        "fifo" => bench.sim.files.make_fifo(&at).unwrap(),
        "device" => bench.sim.files.make_device(&at, false).unwrap(),
        "loop" => files.symlink(Path::new("a.yaml"), &at).unwrap(),
        "directory" => files.symlink(Path::new("/etc"), &at).unwrap(),
        "dangling" => files.symlink(Path::new("/nowhere"), &at).unwrap(),
        _ => {
            bench.sim.files.make_device(Path::new("/etc/device"), false).unwrap();
            files.symlink(Path::new("/etc/device"), &at).unwrap();
        }
    }
    bench.put("b.yaml", &manifest("good", "i"));
    bench.start(Some(DIR), None);
    assert_eq!(bench.told().await, ["Add good-node1"]);
    assert!(bench.ready());
    bench.tasks.shutdown().await;
}

/// Item 12: bytes that blow up, never end or are something else; the good one beside them runs, and soon.
#[rstest]
#[case::aliases(
    "a: &a [x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c]\ne: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d]\nf: [*e, *e, *e, *e, *e, *e, *e, *e, *e]\n"
)]
#[case::binary("\u{0}\u{1}\u{2}ELF\u{7f}")]
#[case::alias_of_itself("a: &a [*a]\n")]
#[case::deep(
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
)]
#[case::quantity(
    "apiVersion: v1\nkind: Pod\nmetadata: {name: q}\nspec: {containers: [{name: c, image: i, resources: {limits: {cpu: 1e-2147483648}}}]}\n---\n"
)]
#[tokio::test(start_paused = true)]
async fn bytes_that_blow_up(#[case] text: &str) {
    let mut bench = Bench::new();
    bench.mkdir();
    bench.put("a.yaml", text);
    bench.put("b.yaml", &manifest("good", "i"));
    bench.start(Some(DIR), None);
    let told = bench.told().await;
    assert!(told.len() == 1 && told[0].ends_with(" good-node1"), "{told:?}");
    bench.tasks.shutdown().await;
}

/// Item 13: two files claim one UID; one pod is made of them, that of the last, and it stays one however often they are read.
#[tokio::test(start_paused = true)]
async fn two_files_of_one_uid() {
    let mut bench = Bench::new();
    bench.mkdir();
    let mine = |name: &str, image: &str| manifest(name, image).replace("metadata: {", "metadata: {uid: mine, ");
    bench.put("a.yaml", &mine("one", "a"));
    bench.put("b.yaml", &mine("two", "b"));
    bench.start(Some(DIR), None);
    assert_eq!(bench.told().await, ["Add two-node1"]);
    assert!(bench.ready());
    sleep(Duration::from_secs(60)).await;
    assert_eq!(bench.told().await, NOTHING);
    bench.put("a.yaml", &mine("one", "c"));
    assert_eq!(bench.told().await, NOTHING);
    // The second takes nothing away from the first when it goes.
    bench.remove("b.yaml");
    assert_eq!(bench.told().await, ["Update two-node1"]);
    bench.put("b.yaml", &mine("two", "b"));
    assert_eq!(bench.told().await, ["Update two-node1"]);
    bench.remove("a.yaml");
    bench.remove("b.yaml");
    assert_eq!(bench.told().await, ["Remove two-node1"]);
    bench.tasks.shutdown().await;
}

/// Item 14: a server that answers with something else than pods, or with more than anybody can hold; what it said before holds.
#[rstest]
#[case::to_a_file(reply("301 Moved Permanently", "Location: file:///etc/kubernetes/pods.yaml\r\n", ""))]
#[case::to_itself_for_ever(reply("302 Found", "Location: http://10.0.0.9/pods\r\n", ""))]
#[case::to_another_scheme(reply("302 Found", "Location: gopher://10.0.0.9/\r\n", ""))]
#[case::promises_more_than_it_sends(Script::Raw("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nkind: Pod".to_owned()))]
#[case::more_than_is_read(reply("200 OK", "", &"a".repeat(11 << 20)))]
#[case::lines_without_end(Script::Raw(format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(4 << 20))))]
#[case::chunks_of_nonsense(Script::Raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx".to_owned()))]
#[case::no_http(Script::Raw("SSH-2.0-OpenSSH_9\r\n".to_owned()))]
#[case::never_answers(Script::Hang)]
#[case::an_error(reply("500 Internal Server Error", "", "kind: Pod"))]
#[case::broken_pods(reply("200 OK", "", "apiVersion: v1\nkind: Pod\nmetadata: {name: ../x}\n"))]
#[tokio::test(start_paused = true)]
async fn a_server_that_means_no_good(#[case] script: Script) {
    let mut bench = Bench::new();
    bench.sim.world.files.create_dir_all(Path::new("/etc/kubernetes"), 0o755).unwrap();
    bench
        .sim
        .world
        .files
        .write(Path::new("/etc/kubernetes/pods.yaml"), manifest("stolen", "i").as_bytes(), 0o644)
        .unwrap();
    let good = reply("200 OK", "", &manifest("web", "i"));
    let server = Server::start(&bench.sim.world.net, "10.0.0.9:80", good.clone(), &bench.tasks).await;
    bench.start(None, Some("http://10.0.0.9/pods"));
    assert_eq!(bench.told().await, ["Add web-node1"]);
    server.set(script);
    sleep(Duration::from_secs(45)).await;
    assert_eq!(bench.told().await, NOTHING);
    // And it is asked again.
    server.set(reply("200 OK", "", &manifest("api", "i")));
    sleep(Duration::from_secs(45)).await;
    assert_eq!(bench.told().await, ["Remove web-node1", "Add api-node1"]);
    bench.tasks.shutdown().await;
}
