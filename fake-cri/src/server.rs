//! A fake runtime that listens: starting, crashing, coming back, and the handles by which a test looks at it.

mod deadline;

use std::sync::{Arc, Mutex, PoisonError};

use cri_proto::{
    MAX_MESSAGE_BYTES,
    v1::{image_service_server::ImageServiceServer, runtime_service_server::RuntimeServiceServer},
};
use futures_util::StreamExt as _;
use tokio::sync::Notify;
use tonic::transport::Server;
use world::{
    Tasks, World,
    net::{Address, Conn},
};

use crate::{
    config::Config, events::EventFaults, faults::Fault, journal::Journal, runtime::Runtime, service::Service,
    tripwire::Look,
};

/// Why a fake runtime did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Nothing can listen there.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: Address,
        /// Why.
        source: std::io::Error,
    },
    /// A fault cannot be understood.
    #[error("a fault makes no sense: {0}")]
    Fault(String),
}

/// What a crash of the runtime leaves of its pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aftermath {
    /// Everything runs on, as under a shim.
    PodsRunOn,
    /// Processes die; the runtime still knows of them when it comes back.
    PodsDie,
    /// Processes die; sandboxes are remembered and their containers are not.
    PodsAreHalfForgotten,
    /// Processes die and nothing is remembered.
    PodsAreForgotten,
}

/// A running fake runtime. Clones are the same one.
#[derive(Clone)]
pub struct FakeCri {
    runtime: Arc<Runtime>,
    service: Service,
    tasks: Tasks,
    serving: Arc<Mutex<Option<Tasks>>>,
    address: Address,
}

impl std::fmt::Debug for FakeCri {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FakeCri({})", self.address)
    }
}

impl FakeCri {
    /// Starts one. It ends with `tasks`.
    pub async fn start(world: &World, config: Config, tasks: &Tasks) -> Result<Self, StartError> {
        let tasks = tasks.child("fake-cri");
        let address = config.listen.clone();
        let runtime = Runtime::new(world.clone(), config, tasks.child("processes")).map_err(StartError::Fault)?;
        runtime.prepare_directories();
        let runtime = Arc::new(runtime);
        let service = Service {
            runtime: runtime.clone(),
            cut: Arc::new(Notify::new()),
            tripwire: Arc::default(),
            kept: Arc::default(),
        };
        let fake = Self { runtime, service, tasks, serving: Arc::default(), address };
        fake.restart().await?;
        Ok(fake)
    }

    /// Begins to serve, if it does not already: the first time, and after a crash.
    pub async fn restart(&self) -> Result<(), StartError> {
        if self.is_serving() {
            return Ok(());
        }
        if let Address::Unix(path) = &self.address
            && let Some(parent) = path.parent()
        {
            let _ = self.runtime.world.files.create_dir_all(parent, 0o755);
        }
        let listener = self.runtime.world.net.listen(&self.address).await;
        let listener = listener.map_err(|source| StartError::Listen { address: self.address.clone(), source })?;
        let serving = self.tasks.child("server");
        let streaming = crate::streaming::start(&self.runtime, &serving).await;
        let streaming = streaming
            .map_err(|source| StartError::Listen { address: self.runtime.config.streaming.clone(), source })?;
        self.runtime.set_streaming_address(Some(streaming));
        let runtime_service = RuntimeServiceServer::new(self.service.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        let image_service = ImageServiceServer::new(self.service.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        let incoming = listener.incoming();
        let cut = self.service.cut.clone();
        let token = serving.token();
        drop(serving.spawn("accept", async move {
            let incoming = incoming.map(move |conn| conn.map(|conn| Cuttable::new(conn, &cut, &token)));
            let _ = Server::builder()
                .layer(deadline::DeadlineLayer)
                .add_service(runtime_service)
                .add_service(image_service)
                .serve_with_incoming(incoming)
                .await;
        }));
        *self.serving.lock().unwrap_or_else(PoisonError::into_inner) = Some(serving);
        Ok(())
    }

    /// Whether it serves.
    pub fn is_serving(&self) -> bool {
        self.serving.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Stops serving at once and cuts every connection.
    pub async fn crash(&self, aftermath: Aftermath) {
        let serving = self.serving.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(serving) = serving {
            serving.shutdown().await;
        }
        self.service.cut.notify_waiters();
        self.runtime.set_streaming_address(None);
        self.runtime.tokens.clear();
        self.runtime.events.close_all();
        match aftermath {
            Aftermath::PodsRunOn => {}
            Aftermath::PodsDie => self.runtime.power_off(),
            Aftermath::PodsAreHalfForgotten => self.runtime.half_forget(),
            Aftermath::PodsAreForgotten => {
                self.runtime.forget();
                self.runtime.ledger.wiped();
            }
        }
    }

    /// Where it listens.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Where clients of Exec, Attach and PortForward are sent; `None` while it does not serve.
    pub fn streaming_address(&self) -> Option<Address> {
        self.runtime.streaming_address()
    }

    /// Every call.
    pub fn journal(&self) -> &Journal {
        &self.runtime.journal
    }

    /// What really becomes of pods, for whoever watches.
    pub fn truth(&self) -> &crate::truth::Truth {
        &self.runtime.truth
    }

    /// What is still there and who broke what.
    pub fn ledger(&self) -> &crate::ledger::Ledger {
        &self.runtime.ledger
    }

    /// Pod addresses that are taken, with the sandboxes that hold them.
    pub fn addresses(&self) -> Vec<(std::net::IpAddr, String)> {
        self.runtime.addresses()
    }

    /// Replaces the faults; on an error nothing changes.
    pub fn set_faults(&self, faults: Vec<Fault>) -> Result<(), String> {
        self.runtime.faults.set(faults)
    }

    /// How many calls each fault has hit.
    pub fn fault_hits(&self) -> Vec<u64> {
        self.runtime.faults.hits()
    }

    /// Has `look` see each call before and after its effect, in place of whoever did until now.
    pub fn set_tripwire(&self, look: Option<Look>) {
        self.service.tripwire.set(look);
    }

    /// Sets what happens to events on their way.
    pub fn set_event_faults(&self, faults: EventFaults) {
        self.runtime.events.set_faults(faults);
    }

    /// Ends every event stream.
    pub fn close_event_streams(&self) {
        self.runtime.events.close_all();
    }

    /// Sets what Status says: `None` is ready, text is why not.
    pub fn set_conditions(&self, runtime: Option<String>, network: Option<String>) {
        let mut state = self.runtime.lock();
        state.runtime_ready = runtime;
        state.network_ready = network;
    }

    /// Ends a container's first process as if from outside: by a signal, or by running out of memory.
    pub fn kill_container(&self, pod: &str, container: &str, signal: crate::os::Signal) -> bool {
        let state = self.runtime.lock();
        let found = state.containers.values().find(|c| {
            c.state == cri_proto::v1::ContainerState::ContainerRunning
                && c.metadata().name == container
                && state.sandboxes.get(&c.sandbox).is_some_and(|s| s.metadata().name == pod)
        });
        match found.and_then(|c| c.process.clone()) {
            Some(process) => {
                process.signal(signal);
                true
            }
            None => false,
        }
    }

    /// Stops serving and ends every process.
    pub async fn stop(&self) {
        self.crash(Aftermath::PodsAreForgotten).await;
        self.tasks.shutdown().await;
    }
}

/// A connection that ends when the runtime says so.
struct Cuttable {
    conn: Conn,
    cut: std::pin::Pin<Box<dyn std::future::Future<Output = ()> + Send>>,
}

impl Cuttable {
    fn new(conn: Conn, cut: &Arc<Notify>, token: &tokio_util::sync::CancellationToken) -> Self {
        let (cut, token) = (cut.clone(), token.clone());
        let notified = cut.notified_owned();
        let cut = Box::pin(async move {
            tokio::select! {
                biased;
                () = notified => {}
                () = token.cancelled() => {}
            }
        });
        Self { conn, cut }
    }
}

impl tonic::transport::server::Connected for Cuttable {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl tokio::io::AsyncRead for Cuttable {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buf: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        if self.cut.as_mut().poll(cx).is_ready() {
            self.cut = Box::pin(std::future::ready(()));
            return std::task::Poll::Ready(Err(std::io::ErrorKind::ConnectionReset.into()));
        }
        std::pin::Pin::new(&mut self.conn).poll_read(cx, buf)
    }
}

impl tokio::io::AsyncWrite for Cuttable {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buf: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        std::pin::Pin::new(&mut self.conn).poll_write(cx, buf)
    }

    fn poll_flush(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.conn).poll_flush(cx)
    }

    fn poll_shutdown(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.conn).poll_shutdown(cx)
    }
}
