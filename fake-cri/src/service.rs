//! From gRPC to the runtime: every call is journalled, meets its faults, is checked against the contract, and leaves a consistent state.

use std::{future::Future, sync::Arc};

use cri_proto::to_json;
use prost_reflect::ReflectMessage;
use serde_json::Value;
use tonic::{Request, Response, Status};

use crate::{
    faults::{Action, Call},
    model::find,
    runtime::Runtime,
};

mod image;
mod runtime;

/// The services over one runtime. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) runtime: Arc<Runtime>,
    /// Cut when a fault says so: every connection ends.
    pub(crate) cut: Arc<tokio::sync::Notify>,
}

/// What a call is about, in names.
#[derive(Default)]
struct About {
    pod: Option<String>,
    container: Option<String>,
    image: Option<String>,
}

impl Service {
    /// Runs a call with everything around it.
    pub(crate) async fn call<Req, Resp, F, Fut>(
        &self,
        rpc: &'static str,
        request: Request<Req>,
        run: F,
    ) -> Result<Response<Resp>, Status>
    where
        Req: ReflectMessage,
        Resp: ReflectMessage,
        F: FnOnce(Arc<Runtime>, Req) -> Fut,
        Fut: Future<Output = Result<Resp, Status>>,
    {
        let request = request.into_inner();
        let json = to_json(&request);
        let about = self.about(&json);
        self.check_contract(rpc, &json);
        let action = self.runtime.faults.decide(&Call {
            rpc,
            pod: about.pod.as_deref(),
            container: about.container.as_deref(),
            image: about.image.as_deref(),
        });
        let mut open = self.runtime.journal.begin(rpc, json);
        open.fault = action.name();
        if action == Action::Cut {
            self.cut.notify_waiters();
        }
        let result = match action.before().await {
            Ok(()) => match run(self.runtime.clone(), request).await {
                Ok(response) => action.after().await.map(|()| response),
                Err(status) => Err(status),
            },
            Err(status) => Err(status),
        };
        for wrong in self.runtime.lock().inconsistencies() {
            self.runtime.ledger.violated(format!("after {rpc}: {wrong}"));
        }
        match result {
            Ok(response) => {
                open.end(Ok(Some(to_json(&response))));
                Ok(Response::new(response))
            }
            Err(status) => {
                open.end(Err(&status));
                Err(status)
            }
        }
    }

    /// Records a call that answers with a stream.
    pub(crate) async fn stream<Req, F, T>(
        &self,
        rpc: &'static str,
        request: Request<Req>,
        run: F,
    ) -> Result<Response<T>, Status>
    where
        Req: ReflectMessage,
        F: FnOnce(&Arc<Runtime>, Req) -> Result<T, Status>,
    {
        let request = request.into_inner();
        let action = self.runtime.faults.decide(&Call { rpc, ..Call::default() });
        let mut open = self.runtime.journal.begin(rpc, to_json(&request));
        open.fault = action.name();
        let result = match action.before().await {
            Ok(()) => run(&self.runtime, request),
            Err(status) => Err(status),
        };
        match result {
            Ok(stream) => {
                open.end(Ok(None));
                Ok(Response::new(stream))
            }
            Err(status) => {
                open.end(Err(&status));
                Err(status)
            }
        }
    }

    fn about(&self, request: &Value) -> About {
        let text = |pointer: &str| request.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let state = self.runtime.lock();
        let mut about = About {
            pod: text("/sandbox_config/metadata/name"),
            image: text("/image/image").or_else(|| text("/config/image/user_specified_image")),
            ..About::default()
        };
        let mut sandbox = text("/pod_sandbox_id");
        if let Some(container) = text("/container_id").as_deref().and_then(|id| find(&state.containers, id)) {
            about.container = Some(container.metadata().name);
            sandbox = Some(container.sandbox.clone());
        } else if request.get("pod_sandbox_id").is_some() {
            about.container = text("/config/metadata/name");
        } else if request.get("config").is_some() {
            about.pod = text("/config/metadata/name");
        }
        if let Some(sandbox) = sandbox.as_deref().and_then(|id| find(&state.sandboxes, id)) {
            about.pod = Some(sandbox.metadata().name);
        }
        about
    }

    /// What no client may do, whatever the answer is.
    fn check_contract(&self, rpc: &str, request: &Value) {
        let ledger = &self.runtime.ledger;
        if rpc == "StopContainer" {
            let timeout = request.get("timeout").and_then(Value::as_str).and_then(|t| t.parse::<i64>().ok());
            if timeout.is_some_and(|t| t < 0) {
                ledger.violated("StopContainer with a negative timeout".to_owned());
            }
        }
        if rpc == "CreateContainer" {
            let sandbox = request.get("pod_sandbox_id").and_then(Value::as_str).unwrap_or_default();
            if find(&self.runtime.lock().sandboxes, sandbox).is_none() {
                ledger.violated(format!("CreateContainer in the unknown sandbox {sandbox:?}"));
            }
            for part in ["/config/metadata/name", "/sandbox_config/metadata/uid"] {
                if request.pointer(part).is_none() {
                    ledger.violated(format!("CreateContainer without {part}"));
                }
            }
        }
        if rpc == "StartContainer" {
            let id = request.get("container_id").and_then(Value::as_str).unwrap_or_default();
            if find(&self.runtime.lock().containers, id).is_none() {
                ledger.violated(format!("StartContainer of the unknown container {id:?}"));
            }
        }
    }
}
