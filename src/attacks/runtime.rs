//! Attacks by image names, and by a runtime that lies.

use std::{path::Path, time::Duration};

use rstest::rstest;
use serde_json::json;
use tonic::Status;

use crate::{
    api::labels,
    images::names,
    runtime::testing::{Bench, Oracle, pod},
};

/// Item 20: image names that are options, lines or paths never reach the runtime.
#[rstest]
#[case("--privileged")]
#[case("-v")]
#[case("a\nb")]
#[case("a b")]
#[case("../../etc")]
#[case("http://a/b")]
#[case("a\0b")]
#[case("a;b")]
#[case("docker-archive:/etc/passwd")]
#[tokio::test(start_paused = true)]
async fn image_names(#[case] image: &str) {
    let bench = Bench::new().await;
    let result = bench.sync(&pod(json!({"containers": [{"name": "c", "image": image}]}))).await;
    let calls = bench.calls();
    if names::with_default_tag(image).is_err() {
        let failure = result.starts.iter().find_map(|s| s.failure.clone()).expect("not started");
        assert_eq!(failure.reason, "InvalidImageName", "{image:?}");
        assert!(!calls.iter().any(|c| c.contains("Image") || c.contains("CreateContainer")), "{calls:?}");
    } else {
        assert!(image.chars().all(|c| c.is_ascii_graphic()) && !image.starts_with('-'), "{image:?} is asked for");
    }
}

/// Item 20: with the policy Never nothing is pulled, whatever is missing.
#[tokio::test(start_paused = true)]
async fn pull_policy_never() {
    let bench = Bench::new().await;
    let spec = json!({"containers": [{"name": "c", "image": "absent", "imagePullPolicy": "Never"}],
        "initContainers": [{"name": "i", "image": "absent", "imagePullPolicy": "Never"}]});
    for _ in 0..5 {
        let result = bench.sync(&pod(spec.clone())).await;
        assert!(result.starts.iter().any(|s| s.failure.as_ref().is_some_and(|f| f.reason == "ErrImageNeverPull")));
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    assert!(!bench.calls().iter().any(|call| call.contains("PullImage")));
}

/// Item 22: a runtime that says absurd things is listed, observed, synced with and collected without a panic and without a path left.
#[rstest]
#[case::far_future(i64::MAX, i32::MAX, "u")]
#[case::before_time(i64::MIN, i32::MIN, "u")]
#[case::nothing(0, 0, "")]
#[case::foreign_pod(1, 300, "../../../etc")]
#[case::up(1, -1, "..")]
#[tokio::test(start_paused = true)]
async fn runtime_that_lies(#[case] time: i64, #[case] number: i32, #[case] uid: &str) {
    let bench = Bench::new().await;
    let wanted = pod(json!({"containers": [{"name": "c", "image": "busybox"}]}));
    bench.sync(&wanted).await;
    {
        let mut runtime = bench.runtime();
        for (_, status) in runtime.containers.values_mut() {
            (status.created_at, status.started_at, status.finished_at) = (time, time, time);
            (status.exit_code, status.state) = (number, number);
            status.labels.insert(labels::POD_UID.to_owned(), uid.to_owned());
            status.labels.insert(labels::CONTAINER_NAME.to_owned(), "../../x".to_owned());
            status.annotations.insert(labels::CONTAINER_RESTART_COUNT.to_owned(), "99999999999999999999".to_owned());
            status.annotations.insert(labels::CONTAINER_HASH.to_owned(), "../..".to_owned());
            status.log_path = "/../../etc/passwd".to_owned();
        }
        for status in runtime.sandboxes.values_mut() {
            (status.created_at, status.state) = (time, number);
            status.labels.insert(labels::POD_UID.to_owned(), uid.to_owned());
        }
    }
    let files = &bench.world.world.files;
    files.write(Path::new("/etc/passwd"), b"root", 0o644).unwrap();
    for listed in bench.manager.list(None).await.unwrap() {
        let _ = bench.manager.observe(&listed).await;
    }
    // Without a time of creation there is nothing to sync with: the listing is refused, as upstream refuses it.
    if time != 0 {
        bench.sync(&wanted).await;
    }
    let _ = bench.manager.collect_garbage(&Oracle(true)).await;
    assert_eq!(files.read(Path::new("/etc/passwd"), 10).unwrap(), b"root");
}

/// Items 20 and 22: what the runtime says in an error is shown as it is, once, and asks for nothing.
#[tokio::test(start_paused = true)]
async fn error_text_of_the_runtime() {
    let bench = Bench::new().await;
    let text = "a%b %s {} $(A) ../..";
    bench.runtime().fail.insert("CreateContainer".into(), Status::unknown(text));
    let result = bench.sync(&pod(json!({"containers": [{"name": "c", "image": "busybox"}]}))).await;
    let failure = result.starts.iter().find_map(|s| s.failure.clone()).expect("not started");
    assert_eq!((failure.reason.as_str(), failure.message.as_str()), ("CreateContainerError", text));
}
