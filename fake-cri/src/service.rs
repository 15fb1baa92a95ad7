//! From gRPC to the runtime: every call is journalled, meets its faults, is checked against the contract, and leaves a consistent state.

use std::{future::Future, sync::Arc};

use cri_proto::{Document, v1};
use prost_reflect::ReflectMessage;
use tonic::{Request, Response, Status};

use crate::{
    faults::{Action, Call},
    runtime::Runtime,
    tripwire::{Moment, Tripwire},
};

mod about;
mod answers;
mod image;
mod runtime;

pub(crate) use answers::Kept;
use answers::{Change, changed};

/// The services over one runtime. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) runtime: Arc<Runtime>,
    /// Cut when a fault says so: every connection ends.
    pub(crate) cut: Arc<tokio::sync::Notify>,
    /// Whoever looks at calls as they pass.
    pub(crate) tripwire: Arc<Tripwire>,
    /// Lists as they were answered.
    pub(crate) kept: Arc<Kept>,
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
        Req: ReflectMessage + Clone + 'static,
        Resp: ReflectMessage + prost::Message + Default + Clone + Send + 'static,
        F: Fn(Arc<Runtime>, Req) -> Fut,
        Fut: Future<Output = Result<Resp, Status>>,
    {
        let request = request.into_inner();
        let about = about::about(&self.runtime, &request);
        about::check_contract(&self.runtime, &request);
        let call = Call {
            rpc,
            pod: about.pod.as_deref(),
            container: about.container.as_deref(),
            image: about.image.as_deref(),
        };
        let action = self.runtime.faults.decide(&call);
        let mut open = self.runtime.journal.begin(rpc, Document::of(request.clone()));
        open.fault = action.name();
        self.tripwire.pass(open.seq(), &call, Moment::Before).await;
        if action == Action::Cut {
            self.cut.notify_waiters();
        }
        let result = match action.before().await {
            Ok(()) => match self.effect(rpc, &action, &run, request).await {
                Ok(response) => action.after().await.map(|()| response),
                Err(status) => Err(status),
            },
            Err(status) => Err(status),
        };
        self.tripwire.pass(open.seq(), &call, Moment::After).await;
        let ordered = !self.runtime.world.clock.was_stepped();
        for wrong in self.runtime.lock().look_over(ordered) {
            self.runtime.ledger.violated(format!("after {rpc}: {wrong}"));
        }
        match result {
            Ok(response) => {
                open.bytes = response.encoded_len();
                open.end(Ok(Some(Document::of(response.clone()))));
                Ok(Response::new(response))
            }
            Err(status) => {
                open.end(Err(&status));
                Err(status)
            }
        }
    }

    /// The effect of a call, as often as it is delivered, and its answer, as the fault has it.
    async fn effect<Req, Resp, F, Fut>(
        &self,
        rpc: &'static str,
        action: &Action,
        run: &F,
        request: Req,
    ) -> Result<Resp, Status>
    where
        Req: ReflectMessage + Clone + 'static,
        Resp: ReflectMessage + prost::Message + Default + Clone + Send + 'static,
        F: Fn(Arc<Runtime>, Req) -> Fut,
        Fut: Future<Output = Result<Resp, Status>>,
    {
        match action {
            Action::Half | Action::Full => {
                let pull = (&request as &dyn std::any::Any).downcast_ref::<v1::PullImageRequest>();
                let wanted = pull.and_then(|r| r.image.clone()).unwrap_or_default().image;
                return Err(self.runtime.spoil_pull(action == &Action::Full, wanted).await);
            }
            Action::Stale => {
                if let Some(answer) = self.kept.last(rpc) {
                    return Ok(answer);
                }
            }
            Action::Twice => drop(run(self.runtime.clone(), request.clone()).await),
            _ => {}
        }
        let answer = run(self.runtime.clone(), request).await?;
        self.kept.keep(rpc, &answer);
        Ok(match action {
            Action::Shuffled => changed(answer, Change::Shuffle, &mut self.runtime.faults.rng()),
            Action::Missing => changed(answer, Change::Omit, &mut self.runtime.faults.rng()),
            _ => answer,
        })
    }

    /// Records a call that answers with a stream.
    pub(crate) async fn stream<Req, F, T>(
        &self,
        rpc: &'static str,
        request: Request<Req>,
        run: F,
    ) -> Result<Response<T>, Status>
    where
        Req: ReflectMessage + Clone + 'static,
        F: FnOnce(&Arc<Runtime>, Req) -> Result<T, Status>,
    {
        let request = request.into_inner();
        let action = self.runtime.faults.decide(&Call { rpc, ..Call::default() });
        let mut open = self.runtime.journal.begin(rpc, Document::of(request.clone()));
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
}
