//! `host-local`: addresses from ranges, each a file that names its holder. The layout of the files is the real plugin's.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::{Path, PathBuf},
};

use ipnet::IpNet;
use serde::Deserialize;
use serde_json::Value;
use world::Files;

use super::{
    Error, NetworkResult, Request, code,
    result::{Address, Route},
};

/// Where the real plugin keeps its files if the configuration does not say.
const DIRECTORY: &str = "/var/lib/cni/networks";

/// Directory of an index by holder, beside the addresses: the real plugin looks at every file instead.
const INDEX: &str = "holders";

/// Longest file of an address that is read.
const FILE_LIMIT: u64 = 4096;

/// Addresses between two, of one subnet.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Range {
    subnet: IpNet,
    #[serde(default)]
    range_start: Option<IpAddr>,
    #[serde(default)]
    range_end: Option<IpAddr>,
    #[serde(default)]
    gateway: Option<IpAddr>,
}

/// The `ipam` key of a configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Config {
    data_dir: Option<PathBuf>,
    ranges: Vec<Vec<Range>>,
    subnet: Option<IpNet>,
    range_start: Option<IpAddr>,
    range_end: Option<IpAddr>,
    gateway: Option<IpAddr>,
    routes: Vec<Route>,
}

fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

fn address(number: u128, like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => Ipv4Addr::from(u32::try_from(number).unwrap_or(u32::MAX)).into(),
        IpAddr::V6(_) => Ipv6Addr::from(number).into(),
    }
}

impl Range {
    fn gateway(&self) -> IpAddr {
        self.gateway.unwrap_or_else(|| address(number(self.subnet.network()) + 1, self.subnet.addr()))
    }

    /// First and last address, the subnet's own and its broadcast left out.
    fn bounds(&self) -> (u128, u128) {
        let first = self.range_start.map_or(number(self.subnet.network()) + 1, number);
        let last = self.range_end.map_or_else(
            || number(self.subnet.broadcast()).saturating_sub(u128::from(self.subnet.addr().is_ipv4())),
            number,
        );
        (first, last)
    }

    fn shown(&self) -> String {
        let (first, last) = self.bounds();
        format!("{}-{}", address(first, self.subnet.addr()), address(last, self.subnet.addr()))
    }
}

/// The address plugin of one configuration.
#[derive(Debug)]
pub struct HostLocal {
    files: Files,
    directory: PathBuf,
    ranges: Vec<Vec<Range>>,
    routes: Vec<Route>,
}

impl HostLocal {
    /// The one that a request asks for.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub fn of(files: &Files, request: &Request) -> Result<Self, Error> {
        let value = request.config.get("ipam").cloned().unwrap_or(Value::Null);
        if value.is_null() {
            return Err(Error::other("IPAM config missing 'ipam' key"));
        }
        let config = Config::deserialize(value)
            .map_err(|e| Error::new(code::DECODE, format!("failed to decode IPAM config: {e}")))?;
        let mut ranges = config.ranges;
        if let Some(subnet) = config.subnet {
            let Config { range_start, range_end, gateway, .. } = config;
            ranges.insert(0, vec![Range { subnet, range_start, range_end, gateway }]);
        }
        if ranges.iter().all(Vec::is_empty) {
            return Err(Error::other("no IP ranges specified"));
        }
        for range in ranges.iter().flatten() {
            let (first, last) = range.bounds();
            let inside = |n: u128| range.subnet.contains(&address(n, range.subnet.addr()));
            if first > last || !inside(first) || !inside(last) {
                return Err(Error::other(format!("invalid range {} in subnet {}", range.shown(), range.subnet)));
            }
        }
        let directory = config.data_dir.unwrap_or_else(|| DIRECTORY.into()).join(request.name());
        Ok(Self { files: files.clone(), directory, ranges, routes: config.routes })
    }

    fn file(&self, ip: IpAddr) -> PathBuf {
        // As the real one: colons do not go into file names everywhere.
        self.directory.join(ip.to_string().replace(':', "_"))
    }

    fn holder(container: &str, ifname: &str) -> String {
        format!("{container}\r\n{ifname}")
    }

    /// Addresses that are taken, with the text that names their holder. Sorted by file name.
    pub fn taken(files: &Files, directory: &Path) -> Vec<(IpAddr, String)> {
        let entries = files.read_dir(directory).unwrap_or_default();
        let found = entries.into_iter().filter_map(|e| {
            let ip = e.name.replace('_', ":").parse().ok()?;
            Some((ip, files.read_to_string(&directory.join(&e.name), FILE_LIMIT).ok()?))
        });
        found.collect()
    }

    /// Takes an address of one set of ranges: the one after the last that was given out.
    fn take(&self, index: usize, set: &[Range], holder: &str) -> Result<Address, Error> {
        let last_file = self.directory.join(format!("last_reserved_ip.{index}"));
        let last: Option<IpAddr> =
            self.files.read_to_string(&last_file, FILE_LIMIT).ok().and_then(|t| t.trim().parse().ok());
        let within = |range: &Range, ip: IpAddr| {
            let (first, end) = range.bounds();
            ip.is_ipv4() == range.subnet.addr().is_ipv4() && (first..=end).contains(&number(ip))
        };
        let start = last.and_then(|ip| set.iter().position(|r| within(r, ip)).map(|i| (i, number(ip))));
        let (first_range, mut next) = start.map_or((0, None), |(i, n)| (i, Some(n + 1)));
        // Once round, and the range begun in the middle twice.
        for turn in 0..=set.len() {
            let Some(range) = set.get((first_range + turn) % set.len()) else { break };
            let (first, end) = range.bounds();
            let mut at = next.take().unwrap_or(first).max(first);
            while at <= end {
                let ip = address(at, range.subnet.addr());
                at += 1;
                if ip == range.gateway() || !self.claim(ip, holder)? {
                    continue;
                }
                self.files.write(&last_file, ip.to_string().as_bytes(), 0o644)?;
                let net = IpNet::new(ip, range.subnet.prefix_len()).unwrap_or(range.subnet);
                return Ok(Address { interface: None, address: net, gateway: Some(range.gateway()) });
            }
        }
        let shown: Vec<String> = set.iter().map(Range::shown).collect();
        Err(Error::other(format!(
            "failed to allocate for range {index}: no IP addresses available in range set: {}",
            shown.join(",")
        )))
    }

    /// Takes one address if nobody has it. A link beside its file is the lock: making one fails if it is there.
    fn claim(&self, ip: IpAddr, holder: &str) -> Result<bool, Error> {
        let file = self.file(ip);
        if self.files.symlink_metadata(&file).is_ok() {
            return Ok(false);
        }
        let mut lock = file.clone().into_os_string();
        lock.push(".claim");
        let lock = PathBuf::from(lock);
        match self.files.symlink(Path::new(holder.split('\r').next().unwrap_or_default()), &lock) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
            other => other?,
        }
        let free = self.files.symlink_metadata(&file).is_err();
        let written = if free { self.files.write(&file, holder.as_bytes(), 0o644) } else { Ok(()) };
        self.files.remove_file(&lock)?;
        written?;
        Ok(free)
    }

    /// ADD: an address of every set.
    ///
    /// # Errors
    /// If the container has one already, or a set has none left; nothing is kept then.
    pub fn add(&self, request: &Request) -> Result<NetworkResult, Error> {
        self.files.create_dir_all(&self.directory, 0o755)?;
        let holder = Self::holder(&request.container_id, &request.ifname);
        if let Some(ip) = self.of_holder(&holder).first() {
            return Err(Error::other(format!(
                "failed to allocate for range 0: {ip} has been allocated to {}, duplicate allocation is not allowed",
                request.container_id
            )));
        }
        let mut ips: Vec<Address> = Vec::new();
        for (index, set) in self.ranges.iter().enumerate() {
            match self.take(index, set, &holder) {
                Ok(ip) => ips.push(ip),
                Err(error) => {
                    for ip in ips {
                        self.files.remove_file(&self.file(ip.address.addr()))?;
                    }
                    return Err(error);
                }
            }
        }
        let held: String = ips.iter().map(|ip| format!("{}\n", ip.address.addr())).collect();
        self.files.create_dir_all(&self.directory.join(INDEX), 0o755)?;
        self.files.write(&self.index(&holder), held.as_bytes(), 0o644)?;
        Ok(NetworkResult { ips, routes: self.routes.clone(), ..Default::default() })
    }

    fn index(&self, holder: &str) -> PathBuf {
        self.directory.join(INDEX).join(holder.replace("\r\n", "-"))
    }

    /// Addresses that a holder has: by the index, or where there is none yet by looking at all.
    fn of_holder(&self, holder: &str) -> Vec<IpAddr> {
        if self.files.symlink_metadata(&self.directory.join(INDEX)).is_ok() {
            let text = self.files.read_to_string(&self.index(holder), FILE_LIMIT).unwrap_or_default();
            let held = |ip: &IpAddr| self.files.read_to_string(&self.file(*ip), FILE_LIMIT).is_ok_and(|h| h == holder);
            return text.lines().filter_map(|l| l.parse().ok()).filter(held).collect();
        }
        let taken = Self::taken(&self.files, &self.directory).into_iter();
        taken.filter(|(_, held)| held == holder).map(|(ip, _)| ip).collect()
    }

    fn free(&self, holder: &str) -> Result<(), Error> {
        let mut gone: Vec<PathBuf> = self.of_holder(holder).into_iter().map(|ip| self.file(ip)).collect();
        gone.push(self.index(holder));
        for path in gone {
            match self.files.remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
        Ok(())
    }

    /// DEL: frees what the container has; nothing is fine too.
    ///
    /// # Errors
    /// If files cannot be removed.
    pub fn del(&self, request: &Request) -> Result<(), Error> {
        self.free(&Self::holder(&request.container_id, &request.ifname))
    }

    /// CHECK: the container still has an address.
    ///
    /// # Errors
    /// If it has none.
    pub fn check(&self, request: &Request) -> Result<(), Error> {
        if self.of_holder(&Self::holder(&request.container_id, &request.ifname)).is_empty() {
            return Err(Error::other(format!(
                "host-local: Failed to find address added by container {}",
                request.container_id
            )));
        }
        Ok(())
    }

    /// GC: frees what belongs to none of the attachments named.
    ///
    /// # Errors
    /// If files cannot be removed.
    pub fn gc(&self, request: &Request) -> Result<(), Error> {
        let valid = valid_attachments(request);
        for (_, holder) in Self::taken(&self.files, &self.directory) {
            if !valid.contains(&holder) {
                self.free(&holder)?;
            }
        }
        Ok(())
    }
}

/// The attachments that a GC is to keep, as holders.
fn valid_attachments(request: &Request) -> Vec<String> {
    let key = ["cni.dev/valid-attachments", "cni.dev/attachments"].into_iter().find_map(|k| request.config.get(k));
    let list = key.and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |v: &Value, key: &str| v.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    list.iter().map(|v| HostLocal::holder(&text(v, "containerID"), &text(v, "ifname"))).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;
    use world::{WallClock, sim::MemoryFiles};

    use super::*;

    fn files() -> Files {
        Files::new(MemoryFiles::empty(WallClock::system()))
    }

    fn request(container: &str, ipam: &Value) -> Request {
        let environment: BTreeMap<String, String> = [
            ("CNI_COMMAND", "ADD"),
            ("CNI_CONTAINERID", container),
            ("CNI_NETNS", "/n"),
            ("CNI_IFNAME", "eth0"),
            ("CNI_PATH", "/p"),
        ]
        .map(|(n, v)| (n.to_owned(), v.to_owned()))
        .into();
        let config = json!({"cniVersion": "1.1.0", "name": "net", "type": "host-local", "ipam": ipam,
            "cni.dev/valid-attachments": [{"containerID": "b", "ifname": "eth0"}]});
        Request::read(&environment, config.to_string().as_bytes()).expect("a request")
    }

    fn add(files: &Files, container: &str, ipam: &Value) -> Result<Vec<String>, String> {
        let request = request(container, ipam);
        let result = HostLocal::of(files, &request).and_then(|p| p.add(&request)).map_err(|e| e.to_string())?;
        Ok(result.ips.iter().map(|ip| ip.address.to_string()).collect())
    }

    fn del(files: &Files, container: &str, ipam: &Value) {
        let request = request(container, ipam);
        HostLocal::of(files, &request).and_then(|p| p.del(&request)).expect("freed");
    }

    #[test]
    fn one_after_the_other_round_again_and_to_the_end() {
        let (files, ipam) = (files(), json!({"subnet": "10.0.0.0/29"}));
        for (container, ip) in [("a", "10.0.0.2/29"), ("b", "10.0.0.3/29"), ("c", "10.0.0.4/29"), ("d", "10.0.0.5/29")]
        {
            assert_eq!(add(&files, container, &ipam).expect("an address"), [ip]);
        }
        del(&files, "a", &ipam);
        del(&files, "a", &ipam);
        assert_eq!(add(&files, "e", &ipam).expect("an address"), ["10.0.0.6/29"], "not the one just freed");
        assert_eq!(add(&files, "f", &ipam).expect("an address"), ["10.0.0.2/29"]);
        let full = add(&files, "g", &ipam).expect_err("none left");
        assert_eq!(full, "failed to allocate for range 0: no IP addresses available in range set: 10.0.0.1-10.0.0.6");
        let twice = add(&files, "b", &ipam).expect_err("it has one");
        assert!(twice.ends_with("duplicate allocation is not allowed"), "{twice}");
    }

    #[test]
    fn files_are_those_of_the_real_plugin() {
        let (files, ipam) =
            (files(), json!({"ranges": [[{"subnet": "10.0.0.0/24"}], [{"subnet": "fd00::/64"}]], "dataDir": "/d"}));
        assert_eq!(add(&files, "a", &ipam).expect("addresses"), ["10.0.0.2/24", "fd00::2/64"]);
        let text = |name: &str| files.read_to_string(&Path::new("/d/net").join(name), 100).expect("a file");
        assert_eq!(text("10.0.0.2"), "a\r\neth0");
        assert_eq!(text("last_reserved_ip.0"), "10.0.0.2");
        assert_eq!(text("last_reserved_ip.1"), "fd00::2");
    }

    #[test]
    fn a_set_that_is_full_gives_back_what_the_others_gave() {
        let (files, ipam) = (files(), json!({"ranges": [[{"subnet": "10.0.0.0/24"}], [{"subnet": "10.1.0.0/30"}]]}));
        add(&files, "a", &ipam).expect("addresses");
        add(&files, "b", &ipam).expect_err("the second set has one address");
        let taken = HostLocal::taken(&files, Path::new("/var/lib/cni/networks/net"));
        assert_eq!(taken.len(), 2, "{taken:?}");
    }

    #[test]
    fn collection_keeps_the_valid_ones() {
        let (files, ipam) = (files(), json!({"subnet": "10.0.0.0/24"}));
        add(&files, "a", &ipam).expect("an address");
        add(&files, "b", &ipam).expect("an address");
        let request = request("x", &ipam);
        HostLocal::of(&files, &request).and_then(|p| p.gc(&request)).expect("collected");
        let taken = HostLocal::taken(&files, Path::new("/var/lib/cni/networks/net"));
        assert_eq!(taken, [(IpAddr::from([10, 0, 0, 3]), "b\r\neth0".to_owned())]);
    }

    #[rstest::rstest]
    #[case(json!({}), "no IP ranges specified")]
    #[case(json!({"subnet": "10.0.0.0/24", "rangeStart": "10.9.0.1"}), "invalid range 10.9.0.1-10.0.0.254 in subnet 10.0.0.0/24")]
    #[case(json!({"subnet": 7}), "failed to decode IPAM config: invalid type")]
    fn no_ranges(#[case] ipam: Value, #[case] text: &str) {
        assert!(add(&files(), "a", &ipam).expect_err("refused").starts_with(text));
    }
}
