//! The resolver configuration of a pod, from its DNS policy, the node's resolv.conf and the cluster's settings. Pure.
//!
//! As kubelet 1.36, except that options keep their order (upstream's is a map's).

use std::net::IpAddr;

use cri_proto::v1;
use k8s_openapi::api::core::v1::Pod;

use crate::runtime::{RuntimeSettings, naming};

/// Most name servers a pod gets.
const MAX_NAMESERVERS: usize = 3;
/// Most search domains.
const MAX_SEARCHES: usize = 32;
/// Longest search domain.
const MAX_SEARCH_CHARS: usize = 253;
/// Longest search line.
const MAX_SEARCH_LINE_CHARS: usize = 2048;

/// What a resolv.conf says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResolvConf {
    /// `nameserver` lines.
    pub servers: Vec<String>,
    /// The last `search` line.
    pub searches: Vec<String>,
    /// `options` lines together.
    pub options: Vec<String>,
}

/// Reads a resolv.conf.
pub fn parse(text: &str) -> Result<ResolvConf, String> {
    let mut conf = ResolvConf::default();
    for line in text.lines() {
        let line = line.trim();
        if line.starts_with('#') {
            continue;
        }
        let mut fields = line.split_whitespace();
        match fields.next() {
            Some("nameserver") => match fields.next() {
                Some(server) => conf.servers.push(server.to_owned()),
                // Upstream's text ends with the rest of the line, which is nothing.
                None => return Err("nameserver list is empty ".to_owned()),
            },
            Some("search") => {
                conf.searches = fields.map(|s| s.trim_end_matches('.').to_owned()).filter(|s| !s.is_empty()).collect();
            }
            Some("options") => {
                for option in fields {
                    add_option(&mut conf.options, option);
                }
            }
            _ => {}
        }
    }
    Ok(conf)
}

/// Adds an option, replacing one of the same name.
fn add_option(options: &mut Vec<String>, option: &str) {
    let name = |o: &str| o.split(':').next().unwrap_or_default().to_owned();
    match options.iter_mut().find(|o| name(o) == name(option)) {
        Some(same) => *same = option.to_owned(),
        None => options.push(option.to_owned()),
    }
}

/// A pod's configuration and the messages of events to tell about it.
#[derive(Clone, Debug, PartialEq)]
pub struct PodDns {
    /// For the sandbox.
    pub config: v1::DnsConfig,
    /// Whether the cluster's DNS is wanted and there is none: event `MissingClusterDNS`.
    pub missing_cluster_dns: bool,
    /// Messages of `DNSConfigForming`.
    pub forming: Vec<String>,
}

/// The resolver configuration of `pod`. `node` reads the node's own configuration, if there is to be one. As upstream, a pod that needs
/// nothing of it fails with it, too.
pub fn pod_dns(
    pod: &Pod,
    settings: &RuntimeSettings,
    node: impl FnOnce() -> Result<ResolvConf, String>,
) -> Result<PodDns, String> {
    let spec = crate::api::pod::spec(pod);
    let host_network = spec.host_network.unwrap_or(false);
    let mut missing_cluster_dns = false;
    let host = if settings.resolv_conf.is_empty() { ResolvConf::default() } else { node()? };
    let cluster = match spec.dns_policy.as_deref().unwrap_or("ClusterFirst") {
        "None" => None,
        "ClusterFirstWithHostNet" => Some(true),
        "ClusterFirst" if !host_network => Some(true),
        _ => Some(false),
    };
    let mut conf = match cluster {
        None => ResolvConf::default(),
        Some(true) if !settings.cluster_dns.is_empty() => cluster_conf(pod, settings, host),
        Some(wants_cluster) => {
            if wants_cluster {
                missing_cluster_dns = true;
            }
            if settings.resolv_conf.is_empty() { nobody(settings) } else { host }
        }
    };
    if let Some(own) = &spec.dns_config {
        conf.servers.extend(own.nameservers.iter().flatten().cloned());
        conf.searches.extend(own.searches.iter().flatten().cloned());
        (conf.servers, conf.searches) = (without_twins(conf.servers), without_twins(conf.searches));
        for option in own.options.iter().flatten() {
            let name = option.name.as_deref().unwrap_or_default();
            match option.value.as_deref() {
                Some(value) if !value.is_empty() => add_option(&mut conf.options, &format!("{name}:{value}")),
                _ => add_option(&mut conf.options, name),
            }
        }
    }
    let mut forming = Vec::new();
    limit_servers(&mut conf, &mut forming);
    limit_searches(&mut conf, &mut forming);
    let config = v1::DnsConfig { servers: conf.servers, searches: conf.searches, options: conf.options };
    Ok(PodDns { config, missing_cluster_dns, forming })
}

fn cluster_conf(pod: &Pod, settings: &RuntimeSettings, host: ResolvConf) -> ResolvConf {
    let domain = &settings.cluster_domain;
    let mut searches = Vec::new();
    if !domain.is_empty() {
        searches.push(format!("{}.svc.{domain}", naming::namespace(pod)));
        searches.push(format!("svc.{domain}"));
        searches.push(domain.clone());
    }
    searches.extend(host.searches);
    let searches = without_twins(searches);
    ResolvConf { servers: settings.cluster_dns.clone(), searches, options: vec!["ndots:5".to_owned()] }
}

/// Where the node has no configuration: whoever answers on the pod's own address, and no domain.
fn nobody(settings: &RuntimeSettings) -> ResolvConf {
    let server = |ip: &IpAddr| if ip.is_ipv6() { "::1" } else { "127.0.0.1" };
    let mut servers: Vec<String> = settings.node_ips.iter().map(|ip| server(ip).to_owned()).collect();
    if servers.is_empty() {
        servers.push("127.0.0.1".to_owned());
    }
    ResolvConf { servers, searches: vec![".".to_owned()], options: Vec::new() }
}

/// The first of each.
fn without_twins(all: Vec<String>) -> Vec<String> {
    let mut kept = Vec::with_capacity(all.len());
    for each in all {
        if !kept.contains(&each) {
            kept.push(each);
        }
    }
    kept
}

fn limit_servers(conf: &mut ResolvConf, forming: &mut Vec<String>) {
    if conf.servers.len() > MAX_NAMESERVERS {
        conf.servers.truncate(MAX_NAMESERVERS);
        forming.push(format!(
            "Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: {}",
            conf.servers.join(" ")
        ));
    }
}

fn limit_searches(conf: &mut ResolvConf, forming: &mut Vec<String>) {
    let before = conf.searches.len();
    conf.searches.truncate(MAX_SEARCHES);
    conf.searches.retain(|s| s.len() <= MAX_SEARCH_CHARS);
    while conf.searches.join(" ").len() > MAX_SEARCH_LINE_CHARS {
        conf.searches.pop();
    }
    if conf.searches.len() < before {
        forming.push(format!(
            "Search Line limits were exceeded, some search paths have been omitted, the applied search line is: {}",
            conf.searches.join(" ")
        ));
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use world::machine::Facts;

    use super::*;

    #[test]
    fn resolv_conf_is_read_as_upstream_reads_it() {
        let text = "# c\nnameserver 1.1.1.1\n nameserver 2.2.2.2 \nsearch a.\nsearch b. . c\noptions ndots:1 x\noptions ndots:2\n";
        let conf = parse(text).unwrap();
        assert_eq!(conf.servers, ["1.1.1.1", "2.2.2.2"]);
        assert_eq!(conf.searches, ["b", "c"]);
        assert_eq!(conf.options, ["ndots:2", "x"]);
        assert_eq!(parse("nameserver\n").unwrap_err(), "nameserver list is empty ");
    }

    fn pod(policy: &str, host_network: bool) -> Pod {
        serde_json::from_value(serde_json::json!({
            "metadata": {"name": "p", "namespace": "ns", "uid": "u"},
            "spec": {"dnsPolicy": policy, "hostNetwork": host_network, "containers": []}
        }))
        .unwrap()
    }

    #[rstest]
    #[case("Default", false, false, &["9.9.9.9"], &["host"], &["x"])]
    #[case("ClusterFirst", false, false, &["9.9.9.9"], &["host"], &["x"])]
    #[case("ClusterFirst", false, true, &["10.0.0.10"], &["ns.svc.c.local", "svc.c.local", "c.local", "host"], &["ndots:5"])]
    #[case("ClusterFirst", true, true, &["9.9.9.9"], &["host"], &["x"])]
    #[case("ClusterFirstWithHostNet", true, true, &["10.0.0.10"], &["ns.svc.c.local", "svc.c.local", "c.local", "host"], &["ndots:5"])]
    #[case("None", false, true, &[], &[], &[])]
    fn policies(
        #[case] policy: &str,
        #[case] host_network: bool,
        #[case] cluster: bool,
        #[case] servers: &[&str],
        #[case] searches: &[&str],
        #[case] options: &[&str],
    ) {
        let mut settings = RuntimeSettings::new("n", Facts::simulated());
        if cluster {
            settings.cluster_dns = vec!["10.0.0.10".to_owned()];
            settings.cluster_domain = "c.local".to_owned();
        }
        let node = || parse("nameserver 9.9.9.9\nsearch host\noptions x\n");
        let dns = pod_dns(&pod(policy, host_network), &settings, node).unwrap();
        assert_eq!(dns.config.servers, servers);
        assert_eq!(dns.config.searches, searches);
        assert_eq!(dns.config.options, options);
        assert_eq!(dns.missing_cluster_dns, policy == "ClusterFirst" && !cluster);
    }

    #[rstest]
    #[case("Default", &["127.0.0.1"], &["."])]
    #[case("ClusterFirst", &["10.0.0.10"], &["ns.svc.c.local", "svc.c.local", "c.local"])]
    #[case("None", &[], &[])]
    fn a_node_without_a_resolv_conf(#[case] policy: &str, #[case] servers: &[&str], #[case] searches: &[&str]) {
        let mut settings = RuntimeSettings::new("n", Facts::simulated());
        settings.resolv_conf = String::new();
        settings.cluster_dns = vec!["10.0.0.10".to_owned()];
        settings.cluster_domain = "c.local".to_owned();
        let node = || Err("nobody reads it".to_owned());
        let dns = pod_dns(&pod(policy, false), &settings, node).unwrap();
        assert_eq!(dns.config.servers, servers);
        assert_eq!(dns.config.searches, searches);
    }

    #[rstest]
    #[case(&["::"], &["::1"])]
    #[case(&["192.0.2.1", "2001:db8::1"], &["127.0.0.1", "::1"])]
    fn whoever_answers_on_the_pods_own_address_of_the_nodes_families(
        #[case] node_ips: &[&str],
        #[case] servers: &[&str],
    ) {
        let mut settings = RuntimeSettings::new("n", Facts::simulated());
        settings.resolv_conf = String::new();
        settings.node_ips = node_ips.iter().map(|ip| ip.parse().unwrap()).collect();
        let dns = pod_dns(&pod("Default", false), &settings, || Err("nobody reads it".to_owned())).unwrap();
        assert_eq!(dns.config.servers, servers);
    }

    #[test]
    fn a_broken_resolv_conf_fails_pods_that_do_not_need_it() {
        let settings = RuntimeSettings::new("n", Facts::simulated());
        let broken = pod_dns(&pod("None", false), &settings, || parse("nameserver\n"));
        assert_eq!(broken.unwrap_err(), "nameserver list is empty ");
    }

    #[test]
    fn twins_of_the_node_count_once_beside_ones_own() {
        let settings = RuntimeSettings::new("n", Facts::simulated());
        let node = || parse("nameserver 1.1.1.1\nnameserver 1.1.1.1\nsearch a b a\n");
        let mut pod = pod("Default", false);
        let dns = pod_dns(&pod, &settings, node).unwrap();
        assert_eq!(dns.config.servers, ["1.1.1.1", "1.1.1.1"]);
        pod.spec.as_mut().unwrap().dns_config = Some(Default::default());
        let dns = pod_dns(&pod, &settings, node).unwrap();
        assert_eq!(
            (dns.config.servers, dns.config.searches),
            (vec!["1.1.1.1".to_owned()], vec!["a".to_owned(), "b".to_owned()])
        );
    }

    #[test]
    fn a_fourth_name_server_is_left_out_and_told() {
        let settings = RuntimeSettings::new("n", Facts::simulated());
        let node = || parse("nameserver 1.1.1.1\nnameserver 2.2.2.2\nnameserver 3.3.3.3\nnameserver 4.4.4.4\n");
        let dns = pod_dns(&pod("Default", false), &settings, node).unwrap();
        assert_eq!(dns.config.servers.len(), 3);
        assert_eq!(
            dns.forming,
            ["Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: \
              1.1.1.1 2.2.2.2 3.3.3.3"]
        );
    }
}
