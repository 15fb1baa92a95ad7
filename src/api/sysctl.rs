//! Names of kernel settings, which may be written with dots or with slashes between their parts. Pure. As kubelet 1.36.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;

/// A name with dots between its parts: if the first separator is a slash, slashes and dots trade places.
pub fn dotted(name: &str) -> String {
    if name.find(['.', '/']).is_none_or(|at| name[at..].starts_with('.')) {
        return name.to_owned();
    }
    let trade = |c| match c {
        '/' => '.',
        '.' => '/',
        c => c,
    };
    name.chars().map(trade).collect()
}

/// The pod with all names dotted: upstream rewrites them in the pod itself before it runs, and so shows them.
pub fn with_dotted_names(pod: &Arc<Pod>) -> Arc<Pod> {
    let sysctls = |pod: &Pod| pod.spec.as_ref()?.security_context.as_ref()?.sysctls.clone();
    if sysctls(pod).is_none_or(|sysctls| sysctls.iter().all(|sysctl| dotted(&sysctl.name) == sysctl.name)) {
        return pod.clone();
    }
    let mut pod = Pod::clone(pod);
    let context = pod.spec.as_mut().and_then(|spec| spec.security_context.as_mut());
    for sysctl in context.and_then(|context| context.sysctls.as_mut()).into_iter().flatten() {
        sysctl.name = dotted(&sysctl.name);
    }
    Arc::new(pod)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case("net.ipv4.tcp_syncookies", "net.ipv4.tcp_syncookies")]
    #[case("net/ipv4/tcp_syncookies", "net.ipv4.tcp_syncookies")]
    #[case("net/ipv4/conf/eth0.100/arp", "net.ipv4.conf.eth0/100.arp")]
    #[case("net.ipv4.conf.eth0/100.arp", "net.ipv4.conf.eth0/100.arp")]
    #[case("plain", "plain")]
    fn names(#[case] given: &str, #[case] shown: &str) {
        let context = json!({"sysctls": [{"name": "kernel.sem", "value": "1"}, {"name": given, "value": "1"}]});
        let pod = json!({"spec": {"containers": [], "securityContext": context}});
        let pod = super::with_dotted_names(&Arc::new(serde_json::from_value(pod).unwrap()));
        assert_eq!(serde_json::to_value(&*pod).unwrap()["spec"]["securityContext"]["sysctls"][1]["name"], shown);
    }
}
