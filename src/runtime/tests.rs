//! Syncs, kills and collection against a small CRI server under virtual time: which calls, when, and which events.

use std::time::Duration;

use rstest::rstest;
use serde_json::json;
use tonic::Status;

use crate::runtime::{
    StartFailure, SyncResult,
    testing::{Bench, Oracle, pod},
};

fn failures(result: &SyncResult) -> Vec<(String, StartFailure)> {
    result.starts.iter().filter_map(|s| Some((s.container.clone(), s.failure.clone()?))).collect()
}

#[tokio::test(start_paused = true)]
async fn a_new_pod_and_then_nothing() {
    let bench = Bench::new().await;
    let pod = pod(json!({"containers": [{"name": "c", "image": "busybox"}]}));
    let result = bench.sync(&pod).await;
    assert_eq!(result.error(), None);
    assert!(result.acted);
    assert_eq!(result.pod_ips, ["10.0.0.1"]);
    assert_eq!(
        bench.calls(),
        [
            "0 RunPodSandbox p#0",
            "0 PodSandboxStatus sandbox0",
            "0 ImageStatus busybox:latest",
            "0 ImageStatus busybox",
            "0 CreateContainer c#0",
            "0 StartContainer c#0",
        ]
    );
    assert_eq!(
        bench.events()[1..],
        [
            "Normal Pulled spec.containers{c}: Container image \"busybox\" already present on machine and can be accessed by the pod",
            "Normal Created spec.containers{c}: Container created",
            "Normal Started spec.containers{c}: Container started",
        ]
    );
    let again = bench.sync(&pod).await;
    assert!(!again.acted && again.errors.is_empty());
    assert_eq!(bench.calls(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn an_absent_image_is_pulled() {
    let bench = Bench::new().await;
    let pod = pod(json!({"dnsPolicy": "Default", "containers": [{"name": "c", "image": "nginx:1"}]}));
    assert_eq!(bench.sync(&pod).await.error(), None);
    assert_eq!(bench.calls()[2..5], ["0 ImageStatus nginx:1", "0 PullImage nginx:1", "1 ImageStatus sha-nginx:1"]);
    assert_eq!(
        bench.events()[..2],
        [
            "Normal Pulling spec.containers{c}: Pulling image \"nginx:1\"",
            "Normal Pulled spec.containers{c}: Successfully pulled image \"nginx:1\" in 1.5s (1.5s including waiting). Image size: 0 \
             bytes.",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_crash_loop_waits_and_says_so() {
    let bench = Bench::new().await;
    let pod = pod(
        json!({"dnsPolicy": "Default", "restartPolicy": "Always", "containers": [{"name": "c", "image": "busybox"}]}),
    );
    bench.sync(&pod).await;
    bench.exit("c", 1);
    let result = bench.sync(&pod).await;
    assert_eq!(result.error(), None, "the first restart is at once");
    bench.exit("c", 1);
    tokio::time::advance(Duration::from_secs(4)).await;
    bench.events();
    let held = bench.sync(&pod).await;
    assert_eq!(bench.calls(), [""; 0]);
    assert!(!held.acted);
    assert_eq!(held.earliest_backoff_expiry, Some(tokio::time::Instant::now() + Duration::from_secs(6)));
    assert_eq!(
        held.error().unwrap(),
        "failed to \"StartContainer\" for \"c\" with CrashLoopBackOff: \"back-off 10s restarting failed container=c pod=p_default(u)\""
    );
    assert_eq!(
        bench.events(),
        ["Warning BackOff spec.containers{c}: Back-off restarting failed container c in pod p_default(u)"]
    );
    tokio::time::advance(Duration::from_secs(6)).await;
    assert_eq!(bench.sync(&pod).await.error(), None);
    assert!(bench.calls().contains(&"10 CreateContainer c#2".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn each_container_fails_in_its_own_way_and_the_last_starts() {
    let bench = Bench::new().await;
    bench.runtime().fail.insert("PullImage".into(), Status::unknown("no route"));
    bench.runtime().fail.insert("CreateContainer create".into(), Status::unknown("boom create"));
    bench.runtime().fail.insert("StartContainer start".into(), Status::unknown("id2 would not run"));
    let pod = pod(json!({"dnsPolicy": "Default", "containers": [
        {"name": "never", "image": "none:1", "imagePullPolicy": "Never"},
        {"name": "name", "image": "UPPER/Bad:::x"},
        {"name": "pull", "image": "none:2"},
        {"name": "root", "image": "busybox", "securityContext": {"runAsUser": 0, "runAsNonRoot": true}},
        {"name": "create", "image": "busybox"},
        {"name": "start", "image": "busybox"},
        {"name": "volume", "image": "busybox", "volumeMounts": [{"name": "nope", "mountPath": "/x"}]},
        {"name": "fine", "image": "busybox"},
    ]}));
    let result = bench.sync(&pod).await;
    let shown: Vec<String> =
        failures(&result).into_iter().map(|(name, f)| format!("{name}: {}: {}", f.reason, f.message)).collect();
    assert_eq!(
        shown,
        [
            "never: ErrImageNeverPull: Container image \"none:1\" is not present with pull policy of Never",
            "name: InvalidImageName: Failed to apply default image tag \"UPPER/Bad:::x\": couldn't parse image name \"UPPER/Bad:::x\": \
             invalid reference format: repository name (Bad) must be lowercase",
            "pull: ErrImagePull: no route",
            "root: CreateContainerConfigError: container's runAsUser breaks non-root policy (pod: \"p_default(u)\", container: root)",
            "create: CreateContainerError: boom create",
            "start: RunContainerError: id2 would not run",
            "volume: CreateContainerConfigError: cannot find volume \"nope\" to mount into container \"volume\"",
        ]
    );
    assert_eq!(result.starts.last().unwrap().container, "fine");
    let events = bench.events();
    assert!(events.contains(&"Warning Failed spec.containers{create}: Error: boom create".to_owned()), "{events:#?}");
    assert!(events.contains(&"Warning Failed spec.containers{pull}: Error: ErrImagePull".to_owned()));
    assert!(
        events.contains(&"Warning Failed spec.containers{pull}: Failed to pull image \"none:2\": no route".to_owned())
    );
    // The back-off shows what went wrong before.
    let again = bench.sync(&pod).await;
    let pull = failures(&again).into_iter().find(|(name, _)| name == "pull").unwrap().1;
    assert_eq!(pull.reason, "ImagePullBackOff");
    assert_eq!(pull.message, "Back-off pulling image \"none:2\": ErrImagePull: no route");
}

#[tokio::test(start_paused = true)]
async fn the_grace_period_is_shared_between_hook_and_stop() {
    let bench = Bench::new().await;
    bench.runtime().execs.insert("sleep 2".into(), (0, 2));
    bench.runtime().stop_takes.insert("second".into(), 99);
    let pod = pod(json!({"dnsPolicy": "Default", "terminationGracePeriodSeconds": 6, "containers": [
        {"name": "main", "image": "busybox", "lifecycle": {"preStop": {"exec": {"command": ["sh", "-c", "sleep 2"]}}}},
        {"name": "second", "image": "busybox", "lifecycle": {"preStop": {"sleep": {"seconds": 1}}}},
    ]}));
    bench.sync(&pod).await;
    bench.kill(&pod, Some(6)).await;
    assert_eq!(
        bench.calls(),
        [
            "0 ExecSync main#0 sh -c sleep 2",
            "1 StopContainer second#0 5",
            "2 StopContainer main#0 4",
            "6 StopPodSandbox sandbox0",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn sidecars_stop_last_in_reverse() {
    let bench = Bench::new().await;
    bench.runtime().stop_takes.extend([("main".to_owned(), 5), ("s2".to_owned(), 1)]);
    let pod = pod(
        json!({"dnsPolicy": "Default", "terminationGracePeriodSeconds": 30, "containers": [{"name": "main", "image": "busybox"}],
        "initContainers": [
            {"name": "s1", "image": "busybox", "restartPolicy": "Always"},
            {"name": "s2", "image": "busybox", "restartPolicy": "Always"},
        ]}),
    );
    for _ in 0..3 {
        assert_eq!(bench.sync(&pod).await.error(), None);
    }
    bench.kill(&pod, Some(30)).await;
    assert_eq!(
        bench.calls(),
        [
            "0 StopContainer main#0 30",
            "5 StopContainer s2#0 25",
            "6 StopContainer s1#0 24",
            "6 StopPodSandbox sandbox0",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_sidecar_waits_no_longer_than_its_grace() {
    let bench = Bench::new().await;
    bench.runtime().stop_takes.insert("main".to_owned(), 99);
    let pod = pod(json!({"dnsPolicy": "Default", "containers": [{"name": "main", "image": "busybox"}],
        "initContainers": [{"name": "s", "image": "busybox", "restartPolicy": "Always"}]}));
    for _ in 0..2 {
        bench.sync(&pod).await;
    }
    bench.kill(&pod, Some(4)).await;
    let calls = bench.calls();
    assert_eq!(calls[0], "0 StopContainer main#0 4");
    assert!(
        calls.contains(&"4 StopContainer s#0 2".to_owned()) || calls.contains(&"4 StopContainer s#0 4".to_owned()),
        "{calls:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_post_start_hook_kills_the_container() {
    let bench = Bench::new().await;
    bench.runtime().execs.insert("false".into(), (1, 0));
    let pod = pod(json!({"dnsPolicy": "Default", "terminationGracePeriodSeconds": 7, "containers": [
        {"name": "c", "image": "busybox", "lifecycle": {"postStart": {"exec": {"command": ["false"]}}}}]}));
    let result = bench.sync(&pod).await;
    let (_, failure) = failures(&result).remove(0);
    assert_eq!(failure.reason, "PostStartHookError");
    assert_eq!(
        failure.message,
        "Exec lifecycle hook ([false]) for Container \"c\" in Pod \"p_default(u)\" failed - error: command 'false' exited with 1: err, \
         message: \"outerr\""
    );
    assert_eq!(bench.calls().last().unwrap(), "0 StopContainer c#0 7");
    let events = bench.events();
    assert_eq!(
        events[events.len() - 2..],
        [
            "Warning FailedPostStartHook spec.containers{c}: PostStartHook failed",
            "Normal Killing spec.containers{c}: FailedPostStartHook",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_dead_sandbox_is_replaced() {
    let bench = Bench::new().await;
    let pod = pod(json!({"dnsPolicy": "Default", "containers": [{"name": "c", "image": "busybox"}]}));
    bench.sync(&pod).await;
    bench.runtime().sandboxes.get_mut("sandbox0").unwrap().state = 1;
    bench.exit("c", 137);
    bench.events();
    assert_eq!(bench.sync(&pod).await.error(), None);
    let calls = bench.calls();
    assert_eq!(calls[..2], ["0 StopPodSandbox sandbox0", "0 RunPodSandbox p#1"]);
    assert_eq!(bench.events()[0], "Normal SandboxChanged: Pod sandbox changed, it will be killed and re-created.");
}

#[tokio::test(start_paused = true)]
async fn a_sandbox_that_cannot_be_made_is_told() {
    let bench = Bench::new().await;
    bench.runtime().fail.insert("RunPodSandbox".into(), Status::unknown("no network"));
    let pod = pod(json!({"dnsPolicy": "Default", "containers": [{"name": "c", "image": "busybox"}]}));
    let result = bench.sync(&pod).await;
    assert_eq!(
        result.error().unwrap(),
        "failed to \"CreatePodSandbox\" for \"u\" with CreatePodSandboxError: \"Failed to create sandbox for pod \\\"p_default(u)\\\": \
         rpc error: code = Unknown desc = no network\""
    );
    assert_eq!(
        bench.events(),
        ["Warning FailedCreatePodSandBox: Failed to create pod sandbox: rpc error: code = Unknown desc = no network"]
    );
}

#[tokio::test(start_paused = true)]
async fn garbage_of_a_living_pod_and_of_a_gone_one() {
    let bench = Bench::new().await;
    let files = &bench.world.world.files;
    let pod = pod(json!({"dnsPolicy": "Default", "containers": [{"name": "c", "image": "busybox"}]}));
    for _ in 0..3 {
        bench.sync(&pod).await;
        for name in ["0.log", "1.log"] {
            files.write(format!("/var/log/pods/default_p_u/c/{name}").as_ref(), b"", 0o640).unwrap();
        }
        bench.exit("c", 1);
        tokio::time::advance(Duration::from_secs(20)).await;
    }
    bench.calls();
    bench.manager.collect_garbage(&Oracle(false)).await.unwrap();
    let removed = |calls: &[String]| -> Vec<String> {
        calls.iter().filter(|c| c.contains("Remove")).map(|c| c.split_once(' ').unwrap().1.to_owned()).collect()
    };
    assert_eq!(removed(&bench.calls()), ["RemoveContainer c#0", "RemoveContainer c#1"], "the newest stays");
    assert!(!files.exists("/var/log/pods/default_p_u/c/0.log".as_ref()));
    let observed = bench.observe(&pod).await;
    bench.manager.kill_pod(&pod, &observed, None).await.unwrap();
    bench.calls();
    bench.manager.collect_garbage(&Oracle(true)).await.unwrap();
    assert_eq!(removed(&bench.calls()), ["RemoveContainer c#2", "RemovePodSandbox sandbox0"]);
    assert!(!files.exists("/var/log/pods/default_p_u".as_ref()));
}

#[tokio::test(start_paused = true)]
async fn orphans_get_no_hooks_and_two_seconds() {
    let bench = Bench::new().await;
    let pod = pod(json!({"dnsPolicy": "Default", "containers": [
        {"name": "c", "image": "busybox", "lifecycle": {"preStop": {"exec": {"command": ["x"]}}}}]}));
    bench.sync(&pod).await;
    let listed = bench.manager.list(None).await.unwrap();
    bench.calls();
    bench.manager.kill_runtime_pod(&listed[0], Some(1)).await.unwrap();
    assert_eq!(bench.calls(), ["0 StopContainer c#0 2", "0 StopPodSandbox sandbox0"]);
}

#[tokio::test(start_paused = true)]
async fn a_runtime_that_is_gone_is_unavailable() {
    let bench = Bench::new().await;
    bench.server.cancel();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let text = |error: crate::cri::CriError| error.to_string();
    let refused = "rpc error: code = Unavailable desc = connection error: desc = \"transport: Error while dialing: dial unix \
                   /run/test.sock: connect: no such file or directory\"";
    let first = bench.manager.list(None).await.map_err(text).unwrap_err();
    assert!(first.starts_with("rpc error: code = Unavailable desc = "), "{first}");
    assert_eq!(bench.manager.list(None).await.map_err(text).unwrap_err(), refused);
}

#[rstest]
#[case::number(json!({"path": "bye?x=1", "port": 8080, "httpHeaders": [{"name": "X-A", "value": "b"}]}), "GET /bye?x=1 HTTP/1.1")]
#[case::name(json!({"port": "web"}), "GET / HTTP/1.1")]
#[tokio::test(start_paused = true)]
async fn an_http_hook_asks_the_pod_whatever_it_answers(#[case] get: serde_json::Value, #[case] line: &str) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let bench = Bench::new().await;
    let mut listener = bench.world.world.net.listen(&world::net::Address::tcp("10.0.0.1", 8080)).await.unwrap();
    let served = bench.server.spawn("pod", async move {
        let mut conn = listener.accept().await.unwrap();
        let mut bytes = vec![0; 4096];
        let n = conn.read(&mut bytes).await.unwrap();
        conn.write_all(b"HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno").await.unwrap();
        String::from_utf8(bytes[..n].to_vec()).unwrap()
    });
    let pod = pod(json!({"dnsPolicy": "Default", "containers": [{"name": "c", "image": "busybox",
        "ports": [{"name": "web", "containerPort": 8080}], "lifecycle": {"postStart": {"httpGet": get}}}]}));
    assert_eq!(bench.sync(&pod).await.error(), None);
    let asked = served.await.unwrap().unwrap().to_lowercase();
    assert!(asked.starts_with(&line.to_lowercase()), "{asked}");
    assert!(
        asked.contains("user-agent: kube-lifecycle/1.36\r\n") && asked.contains("host: 10.0.0.1:8080\r\n"),
        "{asked}"
    );
}

#[rstest]
#[case::nobody_listens(
    json!({"httpGet": {"port": 1}}),
    "HTTP lifecycle hook () for Container \"c\" in Pod \"p_default(u)\" failed - error: Get \"http://10.0.0.1:1/\": dial tcp 10.0.0.1:1: \
     connect: connection refused"
)]
#[case::tcp(json!({"tcpSocket": {"port": 1}}), "Cannot run handler: invalid handler: not one of exec, httpGet, sleep")]
#[tokio::test(start_paused = true)]
async fn hooks_that_fail(#[case] handler: serde_json::Value, #[case] message: &str) {
    let bench = Bench::new().await;
    let pod = pod(json!({"dnsPolicy": "Default",
        "containers": [{"name": "c", "image": "busybox", "lifecycle": {"postStart": handler}}]}));
    let result = bench.sync(&pod).await;
    assert_eq!(failures(&result)[0].1.message, message);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_never_ends_has_a_deadline() {
    let bench = Bench::new().await;
    bench.runtime().execs.insert("hang".into(), (0, 1000));
    bench.sync(&pod(json!({"dnsPolicy": "Default", "containers": [{"name": "c", "image": "busybox"}]}))).await;
    let command = ["hang".to_owned()];
    let exec = bench.manager.cri().exec_sync("id1", &command, Some(Duration::from_secs(1)));
    let error = exec.await.unwrap_err();
    assert_eq!(error.to_string(), "rpc error: code = DeadlineExceeded desc = context deadline exceeded");
}
