//! The network of sandboxes: addresses, what plugins refuse, what is undone and tried again.

use super::*;

fn faults(rules: &[(&str, &str)]) -> Config {
    let fault = |(rpc, script): &(&str, &str)| Fault {
        rpc: (*rpc).to_owned(),
        script: (*script).to_owned(),
        ..Fault::default()
    };
    Config { faults: rules.iter().map(fault).collect(), ..Config::default() }
}

impl Bench {
    async fn try_sandbox(&mut self, name: &str) -> Result<String, tonic::Status> {
        let request = v1::RunPodSandboxRequest { config: Some(Self::sandbox_config(name, 0)), ..Default::default() };
        Ok(self.runtime.run_pod_sandbox(request).await?.into_inner().pod_sandbox_id)
    }
}

#[test]
fn addresses_are_given_in_order_and_given_back() {
    with(Config::default(), async |b| {
        let first = b.sandbox("a").await;
        let ip = |fake: &FakeCri| fake.addresses().iter().map(|(ip, _)| ip.to_string()).collect::<Vec<_>>();
        assert_eq!(ip(&b.fake), ["10.85.0.2"]);
        b.runtime.stop_pod_sandbox(v1::StopPodSandboxRequest { pod_sandbox_id: first.clone() }).await.expect("stop");
        assert!(ip(&b.fake).is_empty());
        b.sandbox("b").await;
        assert_eq!(ip(&b.fake), ["10.85.0.3"], "not the one just freed");
        b.runtime.remove_pod_sandbox(v1::RemovePodSandboxRequest { pod_sandbox_id: first }).await.expect("remove");
    });
}

#[test]
fn a_plugin_that_fails_fails_the_sandbox_and_leaves_nothing() {
    with(faults(&[("cni.portmap.ADD", "1x error no luck, then ok")]), async |b| {
        let error = b.try_sandbox("web").await.unwrap_err();
        let wanted = "plugin type=\"portmap\" failed (add): no luck";
        assert!(
            error.message().starts_with("failed to setup network for sandbox \"") && error.message().ends_with(wanted),
            "{error}"
        );
        assert!(b.fake.addresses().is_empty(), "what the bridge had done is undone");
        assert!(b.fake.ledger().leaks().is_empty());
        b.try_sandbox("web").await.expect("the name is free again");
    });
}

#[test]
fn the_other_runtime_says_it_in_its_words() {
    let rules = faults(&[("cni.bridge.CHECK", "error not as it was")]);
    with(Config { faults: rules.faults, ..Config::of(fake_cri::Personality::Crio) }, async |b| {
        let error = b.try_sandbox("web").await.unwrap_err();
        assert!(
            error.message().starts_with("failed to create pod network sandbox k8s_web_default_uid-web_0("),
            "{error}"
        );
        assert!(
            error.message().contains(
                "error adding pod default_web to CNI network \"podlab\": plugin type=\"bridge\" failed (check)"
            )
        );
    });
}

#[test]
fn stopping_fails_until_the_network_is_gone() {
    with(faults(&[("cni.bridge.DEL", "2x error busy, then ok")]), async |b| {
        let id = b.sandbox("web").await;
        for _ in 0..2 {
            let request = v1::StopPodSandboxRequest { pod_sandbox_id: id.clone() };
            let error = b.runtime.stop_pod_sandbox(request).await.unwrap_err();
            assert!(error.message().starts_with("failed to destroy network for sandbox"), "{error}");
        }
        let request = v1::PodSandboxStatusRequest { pod_sandbox_id: id.clone(), verbose: false };
        let status =
            b.runtime.pod_sandbox_status(request).await.expect("a status").into_inner().status.expect("a status");
        assert_eq!(status.state(), v1::PodSandboxState::SandboxNotready, "what runs in it is stopped all the same");
        assert_eq!(b.fake.addresses().len(), 1);
        b.runtime.remove_pod_sandbox(v1::RemovePodSandboxRequest { pod_sandbox_id: id }).await.expect("remove");
        assert!(b.fake.ledger().leaks().is_empty(), "{:?}", b.fake.ledger().leaks());
    });
}

#[test]
fn a_client_that_gives_up_leaves_nothing_and_the_name_is_kept_meanwhile() {
    with(faults(&[("cni.bridge.ADD", "1x late 10s, then ok")]), async |b| {
        let mut request = Request::new(v1::RunPodSandboxRequest {
            config: Some(Bench::sandbox_config("web", 0)),
            ..Default::default()
        });
        request.set_timeout(Duration::from_secs(2));
        let mut other = b.runtime.clone();
        let (slow, early) = tokio::join!(biased; other.run_pod_sandbox(request), async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            b.try_sandbox("web").await
        });
        assert!(slow.is_err());
        assert!(early.unwrap_err().message().contains("is reserved for"));
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert!(b.fake.addresses().is_empty(), "{:?}", b.fake.addresses());
        b.try_sandbox("web").await.expect("the name is free again");
    });
}
