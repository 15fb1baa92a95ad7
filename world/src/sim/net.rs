//! A network in memory behind the host's own address strings, and the disturbances a test asks for. One node; not a network of many.
//!
//! Each connection is a relay task between two in-memory pipes; delay, black hole and cut are what the relay is told to do. Unix sockets
//! have their files in the simulated file system, so that a missing, dead or replaced socket looks as on the host.

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt as _};
use rustix::io::Errno;
use tokio::sync::{Notify, mpsc};

use super::MemoryFiles;
use crate::{
    Tasks,
    net::{Accept, Address, Conn, Listener, Network, check_unix_path},
};

mod relay;
mod rules;
mod table;
#[cfg(test)]
mod tests;

use rules::fits;
pub use rules::{Disturbance, Reach, RuleId};
use table::{Open, Place, Served, State};

/// How many connections wait to be accepted; the next dial waits as well.
const BACKLOG: usize = 128;
/// How long a host's TCP tries to reach a host that does not answer: six retries on Linux.
const GIVE_UP: Duration = Duration::from_secs(127);
/// The simulated network. Clones are the same network.
#[derive(Clone)]
pub struct SimulatedNetwork(Arc<Shared>);

struct Shared {
    files: MemoryFiles,
    tasks: Tasks,
    /// Told of every change of the rules.
    changed: Notify,
    state: Mutex<State>,
}

impl fmt::Debug for SimulatedNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        let listeners: Vec<_> = state.listeners.values().map(|served| served.local.to_string()).collect();
        f.debug_struct("SimulatedNetwork").field("listeners", &listeners).field("open", &state.open.len()).finish()
    }
}

impl SimulatedNetwork {
    /// A network of a node with the addresses 127.0.0.0/8, `::1` and 192.0.2.10, which keeps its socket files in `files` and runs its
    /// relays in `tasks`.
    pub fn new(files: MemoryFiles, tasks: Tasks) -> Self {
        let state = State::new();
        Self(Arc::new(Shared { files, tasks, changed: Notify::new(), state: Mutex::new(state) }))
    }

    /// Gives the node one more address: what listens on every address answers there too. Other addresses, as those of pods, need not be
    /// told; what listens there is found.
    pub fn add_node_address(&self, ip: IpAddr) {
        self.state().node.insert(ip);
    }

    /// Lets a host name stand for addresses, tried in order. No addresses take the name away. `localhost` is known from the start.
    pub fn set_name(&self, name: &str, addresses: impl IntoIterator<Item = IpAddr>) {
        let addresses: Vec<_> = addresses.into_iter().collect();
        let mut state = self.state();
        if addresses.is_empty() {
            state.names.remove(name);
        } else {
            state.names.insert(name.to_owned(), addresses);
        }
    }

    /// Disturbs connections whose dialled or listening address fits `pattern`, until [`heal`](Self::heal)ed. An address is written as
    /// [`Address`] shows it; `*` stands for any text.
    pub fn disturb(&self, pattern: &str, what: Disturbance, reach: Reach) -> RuleId {
        let rule = self.state().rules.add(pattern, what, reach);
        self.0.changed.notify_waiters();
        rule
    }

    /// Takes a disturbance away.
    pub fn heal(&self, rule: RuleId) {
        self.state().rules.remove(rule);
        self.0.changed.notify_waiters();
    }

    /// Takes all disturbances away.
    pub fn heal_all(&self) {
        self.state().rules.clear();
        self.0.changed.notify_waiters();
    }

    /// Resets the open connections that fit `pattern`: both ends get `ConnectionReset`. Returns how many.
    pub fn cut(&self, pattern: &str) -> usize {
        let state = self.state();
        let cut: Vec<_> = state.open.values().filter(|open| fits(pattern, &open.names)).collect();
        cut.iter().for_each(|open| open.cut.cancel());
        cut.len()
    }

    /// How many open connections fit `pattern`.
    pub fn open(&self, pattern: &str) -> usize {
        self.state().open.values().filter(|open| fits(pattern, &open.names)).count()
    }

    /// The addresses that something listens on, in order.
    pub fn listening(&self) -> Vec<Address> {
        let mut all: Vec<_> = self.state().listeners.values().map(|served| served.local.clone()).collect();
        all.sort();
        all
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a dial goes: each address in turn for a host name.
    fn places(&self, to: &Address) -> io::Result<Vec<(Place, Address)>> {
        match to {
            Address::Unix(path) => {
                check_unix_path(path)?;
                if is_abstract(path) {
                    return Ok(vec![(Place::Abstract(path.clone()), to.clone())]);
                }
                let socket = self.0.files.socket(path)?.ok_or(Errno::CONNREFUSED)?;
                Ok(vec![(Place::File(socket), to.clone())])
            }
            Address::Tcp { host, port } => {
                let ips = self.resolve(host, Ipv4Addr::LOCALHOST.into())?;
                Ok(ips.into_iter().map(|ip| (Place::Tcp(ip, *port), Address::tcp(ip.to_string(), *port))).collect())
            }
        }
    }

    fn resolve(&self, host: &str, empty: IpAddr) -> io::Result<Vec<IpAddr>> {
        if host.is_empty() {
            return Ok(vec![empty]);
        }
        if let Ok(ip) = host.parse() {
            return Ok(vec![ip]);
        }
        let known = self.state().names.get(host).cloned();
        known.ok_or_else(|| io::Error::other(format!("no such host: {host}")))
    }

    async fn connect(&self, place: &Place, peer: Address, dialled: &Address) -> io::Result<Conn> {
        let names = [dialled.to_string(), peer.to_string()];
        self.pass(&names).await?;
        let (to, listener, local, since) = {
            let mut state = self.state();
            let served = state.serving(place).ok_or(Errno::CONNREFUSED)?;
            let (to, listener) = (served.to.clone(), served.local.clone());
            let local = state.source(place);
            (to, listener, local, state.rules.count())
        };
        // Whoever listens on every address is found by that name, too.
        let names = [names[0].clone(), if listener == peer { names[1].clone() } else { listener.to_string() }];
        let (client, server, line) = relay::pipe();
        let cut = line.cut.clone();
        // A full queue makes the dial wait, as on the host; a listener that went away refuses.
        let place_in_queue = to.reserve().await.map_err(|_| Errno::CONNREFUSED)?;
        let network = self.clone();
        let label = format!("relay {}", names[0]);
        let id = self.state().enter(Open { names, since, cut });
        let closed = Closed { network: self.clone(), id };
        drop(self.0.tasks.spawn(&label, async move {
            let _closed = closed;
            relay::run(line, &network, id).await;
        }));
        place_in_queue.send(Conn::new(server, peer.clone(), local.clone()));
        Ok(Conn::new(client, local, peer))
    }

    /// Waits as the rules for a new connection want, or refuses it.
    async fn pass(&self, names: &[String; 2]) -> io::Result<()> {
        let deadline = tokio::time::Instant::now() + GIVE_UP;
        let mut waited = Duration::ZERO;
        loop {
            let changed = self.0.changed.notified();
            let line = {
                let state = self.state();
                state.rules.on_dial(names)
            };
            if line.refuse {
                return Err(Errno::CONNREFUSED.into());
            }
            if !line.hole {
                if waited < line.delay {
                    let rest = line.delay - waited;
                    waited = line.delay;
                    tokio::time::sleep(rest).await;
                    continue;
                }
                return Ok(());
            }
            tokio::time::timeout_at(deadline, changed).await.map_err(|_| Errno::TIMEDOUT)?;
        }
    }

    fn bind(&self, on: &Address) -> io::Result<SimulatedListener> {
        let (to, from) = mpsc::channel(BACKLOG);
        let (place, local) = match on {
            Address::Unix(path) => {
                check_unix_path(path)?;
                let place = if is_abstract(path) { Place::Abstract(path.clone()) } else { self.bind_file(path)? };
                (place, on.clone())
            }
            Address::Tcp { host, port } => {
                let ip =
                    self.resolve(host, Ipv6Addr::UNSPECIFIED.into())?.into_iter().next().ok_or(Errno::ADDRNOTAVAIL)?;
                let mut state = self.state();
                let port = if *port == 0 { state.free_port(ip)? } else { *port };
                (Place::Tcp(ip, port), Address::tcp(ip.to_string(), port))
            }
        };
        let mut state = self.state();
        if state.is_taken(&place) {
            return Err(Errno::ADDRINUSE.into());
        }
        let id = state.next_listener;
        state.next_listener += 1;
        state.listeners.insert(place.clone(), Served { id, to, local: local.clone() });
        Ok(SimulatedListener { network: self.clone(), place, id, local, from })
    }

    /// Makes the file of a unix socket, in place of one that nobody serves.
    fn bind_file(&self, path: &Path) -> io::Result<Place> {
        use crate::files::FileSystem as _;
        match self.0.files.symlink_metadata(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
            Ok(facts) => {
                // A link is in the way like any other file: sockets are not bound through links.
                let socket = self.0.files.socket(path).ok().flatten().filter(|socket| *socket == facts.inode);
                let Some(socket) = socket else {
                    let text = format!("{} exists and is not a socket", path.display());
                    return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
                };
                if self.state().listeners.contains_key(&Place::File(socket)) {
                    let text = format!("{} is served already", path.display());
                    return Err(io::Error::new(io::ErrorKind::AddrInUse, text));
                }
                self.0.files.remove_file(path)?;
            }
        }
        Ok(Place::File(self.0.files.bind_socket(path)?))
    }
}

fn is_abstract(path: &Path) -> bool {
    use std::os::unix::ffi::OsStrExt as _;
    path.as_os_str().as_bytes().starts_with(b"@")
}

/// Takes a connection off the list when its relay ends.
struct Closed {
    network: SimulatedNetwork,
    id: u64,
}

impl Drop for Closed {
    fn drop(&mut self) {
        self.network.state().open.remove(&self.id);
    }
}

struct SimulatedListener {
    network: SimulatedNetwork,
    place: Place,
    id: u64,
    local: Address,
    from: mpsc::Receiver<Conn>,
}

impl Accept for SimulatedListener {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Conn>> {
        async move { self.from.recv().await.ok_or_else(|| io::Error::other("the network is gone")) }.boxed()
    }

    fn local(&self) -> Address {
        self.local.clone()
    }
}

impl Drop for SimulatedListener {
    fn drop(&mut self) {
        {
            let mut state = self.network.state();
            if state.listeners.get(&self.place).is_some_and(|served| served.id == self.id) {
                state.listeners.remove(&self.place);
            }
        }
        if let (Place::File(socket), Address::Unix(path)) = (&self.place, &self.local) {
            self.network.0.files.unbind_socket(path, *socket);
        }
    }
}

impl Network for SimulatedNetwork {
    fn dial(&self, to: &Address) -> BoxFuture<'_, io::Result<Conn>> {
        let to = to.clone();
        async move {
            let mut failed = None;
            for (place, peer) in self.places(&to)? {
                match self.connect(&place, peer, &to).await {
                    Ok(conn) => return Ok(conn),
                    Err(e) => failed = Some(e),
                }
            }
            Err(failed.unwrap_or_else(|| Errno::ADDRNOTAVAIL.into()))
        }
        .boxed()
    }

    fn listen(&self, on: &Address) -> BoxFuture<'_, io::Result<Listener>> {
        std::future::ready(self.bind(on).map(Listener::new)).boxed()
    }
}
