//! What goes wrong with calls, lists, pulls and restarts; and that chance is the seed's.

use super::*;

fn set(rules: &[(&str, &str)]) -> Vec<Fault> {
    let fault = |(rpc, script): &(&str, &str)| Fault {
        rpc: (*rpc).to_owned(),
        script: (*script).to_owned(),
        ..Fault::default()
    };
    rules.iter().map(fault).collect()
}

impl Bench {
    async fn names(&mut self) -> Vec<String> {
        let list =
            self.runtime.list_containers(v1::ListContainersRequest::default()).await.expect("a list").into_inner();
        list.containers.into_iter().filter_map(|c| Some(c.metadata?.name)).collect()
    }

    async fn pull(&mut self, image: &str) -> Result<String, tonic::Status> {
        let image = Some(v1::ImageSpec { image: image.to_owned(), ..Default::default() });
        let request = v1::PullImageRequest { image, ..Default::default() };
        Ok(self.images.pull_image(request).await?.into_inner().image_ref)
    }

    async fn used(&mut self) -> u64 {
        let info = self.images.image_fs_info(v1::ImageFsInfoRequest::default()).await.expect("an answer").into_inner();
        info.image_filesystems[0].used_bytes.map_or(0, |b| b.value)
    }
}

#[test]
fn lists_are_stale_shuffled_or_short() {
    with(Config::default(), async |b| {
        let sandbox = b.sandbox("web").await;
        for name in ["a", "b", "c", "d", "e"] {
            b.create(&sandbox, name, &["sleep", "1"]).await.expect("a container");
        }
        let true_list = b.names().await;
        b.create(&sandbox, "f", &["sleep", "1"]).await.expect("a container");
        b.fake.set_faults(set(&[("ListContainers", "1x stale, 1x missing, 1x shuffled, then ok")])).expect("faults");
        assert_eq!(b.names().await, true_list, "as it was before the last");
        assert_eq!(b.names().await.len(), 5);
        let mut shuffled = b.names().await;
        let plain = b.names().await;
        assert_ne!(shuffled, plain);
        shuffled.sort();
        shuffled.reverse();
        assert_eq!(shuffled, plain, "the newest first");
    });
}

#[test]
fn a_call_that_is_delivered_twice_has_its_effect_twice() {
    with(Config::default(), async |b| {
        b.fake.set_faults(set(&[("RunPodSandbox", "1x twice, then ok")])).expect("faults");
        let request = v1::RunPodSandboxRequest { config: Some(Bench::sandbox_config("web", 0)), ..Default::default() };
        let error = b.runtime.run_pod_sandbox(request).await.unwrap_err();
        assert!(error.message().contains("is reserved for"), "the second met the first: {error}");
        let list = b.runtime.list_pod_sandbox(v1::ListPodSandboxRequest::default()).await.expect("a list").into_inner();
        assert_eq!(list.items.len(), 1);
    });
}

#[rstest]
#[case("half", "unexpected EOF", 1_065_626)]
#[case("full", "no space left on device", 2_131_253)]
fn a_pull_breaks_and_leaves_something_on_the_disk(
    #[case] what: &'static str,
    #[case] why: &'static str,
    #[case] left: u64,
) {
    with(Config::default(), async move |b| {
        let before = b.used().await;
        b.fake.set_faults(set(&[("PullImage", &format!("1x {what}, then ok"))])).expect("faults");
        let error = b.pull("busybox:1.36").await.unwrap_err();
        assert!(error.message().contains(why), "{error}");
        let image = Some(v1::ImageSpec { image: "busybox:1.36".to_owned(), ..Default::default() });
        let request = v1::ImageStatusRequest { image, verbose: false };
        assert!(b.images.image_status(request).await.expect("an answer").into_inner().image.is_none());
        assert_eq!(b.used().await - before, left);
        b.pull("busybox:1.36").await.expect("the second comes through");
    });
}

#[rstest]
#[case("Version", "half", "happen to PullImage")]
#[case("StartContainer", "stale", "happen to lists")]
#[case("StopContainer", "leak", "a leak happens to DEL of CNI plugins")]
#[case("Version", "explode", "write one of ok, error")]
fn what_cannot_happen_is_refused(#[case] rpc: &'static str, #[case] script: &'static str, #[case] why: &'static str) {
    with(Config::default(), async move |b| {
        let error = b.fake.set_faults(set(&[(rpc, script)])).unwrap_err();
        assert!(error.contains(why), "{error}");
    });
}

#[test]
fn a_store_that_was_half_written_knows_sandboxes_and_no_containers() {
    with(Config::default(), async |b| {
        let sandbox = b.sandbox("web").await;
        b.run(&sandbox, "main", &["sleep", "1000"]).await;
        b.fake.crash(Aftermath::PodsAreHalfForgotten).await;
        b.fake.restart().await.expect("it comes back");
        assert!(b.names().await.is_empty());
        let request = v1::PodSandboxStatusRequest { pod_sandbox_id: sandbox, verbose: false };
        let status = b.runtime.pod_sandbox_status(request).await.expect("known").into_inner().status.expect("a status");
        assert_eq!(status.state(), v1::PodSandboxState::SandboxNotready);
    });
}

/// What a fixed client sees and leaves in the journal, with faults drawn from a seed.
fn journal(seed: u64) -> String {
    sim::run(seed, sim::Limits::default(), move |sim, tasks| async move {
        let mut rules = set(&[
            ("*Container", "fail UNAVAILABLE after"),
            ("ListContainers", "shuffled"),
            ("cni.bridge.ADD", "error no"),
        ]);
        for rule in &mut rules {
            rule.chance = Some(0.4);
        }
        let config = Config { faults: rules, ..Config::default() };
        let mut b = Bench::new(sim, &tasks, config).await;
        for round in 0..10 {
            let name = format!("pod{round}");
            let request =
                v1::RunPodSandboxRequest { config: Some(Bench::sandbox_config(&name, 0)), ..Default::default() };
            let Ok(sandbox) = b.runtime.run_pod_sandbox(request).await else { continue };
            let sandbox = sandbox.into_inner().pod_sandbox_id;
            if let Ok(id) = b.create(&sandbox, "main", &["sh", "-c", "sleep 3; exit 4"]).await {
                let _ = b.runtime.start_container(v1::StartContainerRequest { container_id: id.clone() }).await;
                tokio::time::sleep(Duration::from_secs(2)).await;
                let _ = b.stop(&id, 1).await;
            }
            b.names().await;
        }
        let lines = b.fake.journal().entries().into_iter().map(|e| serde_json::to_string(&*e).expect("JSON"));
        lines.collect::<Vec<_>>().join("\n")
    })
    .expect("it ends")
}

#[test]
fn one_seed_has_one_journal_and_another_has_another() {
    let first = journal(7);
    assert!(first.contains("fail") && first.contains("shuffled"), "something went wrong");
    assert_eq!(first, journal(7));
    assert_ne!(first, journal(8));
}

/// A request that its client waits for no longer than that.
fn impatient<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(Duration::from_secs(3));
    request
}

#[rstest]
#[case::effect_and_no_reply("lost", Code::Cancelled, 1)]
#[case::neither_effect_nor_reply("hang", Code::Cancelled, 0)]
#[case::no_connection_any_more("cut", Code::Unknown, 0)]
#[case::an_error_before("error INTERNAL no disk", Code::Internal, 0)]
#[case::an_error_after("fail INTERNAL no disk", Code::Internal, 1)]
fn a_call_goes_wrong_with_or_without_its_effect(
    #[case] what: &'static str,
    #[case] code: Code,
    #[case] sandboxes: usize,
) {
    with(Config::default(), async move |b| {
        b.fake.set_faults(set(&[("RunPodSandbox", &format!("1x {what}, then ok"))])).expect("faults");
        let request = v1::RunPodSandboxRequest { config: Some(Bench::sandbox_config("web", 0)), ..Default::default() };
        let error = b.runtime.run_pod_sandbox(impatient(request)).await.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        let list = b.runtime.list_pod_sandbox(v1::ListPodSandboxRequest::default()).await.expect("a list").into_inner();
        assert_eq!(list.items.len(), sandboxes, "{what}");
        b.sandbox("other").await;
    });
}

#[test]
fn counts_and_sequences_are_kept_by_rule() {
    with(Config::default(), async |b| {
        let script = "2x error UNAVAILABLE away, 1x delay 5s, then ok";
        b.fake.set_faults(set(&[("Version", script), ("Status", "1x ok, 1x error, then late 2s")])).expect("faults");
        let mut seen = Vec::new();
        for _ in 0..5 {
            let began = tokio::time::Instant::now();
            let code = b.runtime.version(v1::VersionRequest::default()).await.map_or_else(|e| e.code(), |_| Code::Ok);
            seen.push((code, began.elapsed().as_secs()));
        }
        let away = (Code::Unavailable, 0);
        assert_eq!(seen, [away, away, (Code::Ok, 5), (Code::Ok, 0), (Code::Ok, 0)]);
        seen.clear();
        for _ in 0..4 {
            let began = tokio::time::Instant::now();
            let request = v1::StatusRequest::default();
            let code = b.runtime.status(request).await.map_or_else(|e| e.code(), |_| Code::Ok);
            seen.push((code, began.elapsed().as_secs()));
        }
        assert_eq!(seen, [(Code::Ok, 0), (Code::Unknown, 0), (Code::Ok, 2), (Code::Ok, 2)]);
    });
}

#[test]
fn the_ledger_names_all_that_is_open() {
    with(Config::default(), async |b| {
        let sandbox = b.sandbox("web").await;
        let id = b.run(&sandbox, "main", &["sleep", "1000"]).await;
        let open = b.fake.ledger().leaks();
        let kinds: Vec<&str> = open.iter().filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(kinds, ["address", "container", "log", "mounts", "network", "process", "sandbox"], "{open:#?}");
        assert!(open.contains(&format!("container {id}")) && open.contains(&format!("process {id}")), "{open:#?}");
        b.stop(&id, 0).await.expect("stopped");
        let open = b.fake.ledger().leaks();
        let kinds: Vec<&str> = open.iter().filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(kinds, ["address", "container", "network", "sandbox"], "{open:#?}");
        b.runtime
            .stop_pod_sandbox(v1::StopPodSandboxRequest { pod_sandbox_id: sandbox.clone() })
            .await
            .expect("stopped");
        b.runtime.remove_pod_sandbox(v1::RemovePodSandboxRequest { pod_sandbox_id: sandbox }).await.expect("removed");
        assert_eq!(b.fake.ledger().leaks(), Vec::<String>::new());
    });
}

#[test]
fn an_address_that_a_plugin_keeps_is_a_leak() {
    with(Config::default(), async |b| {
        b.fake.set_faults(set(&[("cni.bridge.DEL", "leak")])).expect("faults");
        let sandbox = b.sandbox("web").await;
        b.runtime
            .stop_pod_sandbox(v1::StopPodSandboxRequest { pod_sandbox_id: sandbox.clone() })
            .await
            .expect("stopped");
        b.runtime
            .remove_pod_sandbox(v1::RemovePodSandboxRequest { pod_sandbox_id: sandbox.clone() })
            .await
            .expect("gone");
        assert_eq!(b.fake.ledger().leaks(), [format!("address {sandbox} 10.85.0.2")]);
    });
}
