//! The URL source: asks a URL every period for a pod or a list of pods. Not what a manifest means. As kubelet 1.36.

use std::{sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::Pod;
use world::{Net, World};

use crate::{
    api::{decode, identity::Source},
    httpget::{Authorities, Get, Redirects, Trust, Url},
    sources::{SourceSettings, merge::Merger, parse},
};

/// The largest body.
const LIMIT: usize = 10 << 20;
/// How long one attempt may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Failures in a row that are told before they become a matter of verbosity.
const LOUD: u32 = 3;

/// The source's task.
pub struct HttpSource {
    net: Net,
    trust: Trust,
    url: String,
    headers: Vec<(String, String)>,
    period: Duration,
    node_name: String,
    local_objects: bool,
    merger: Merger<usize>,
    last: Option<Vec<u8>>,
}

impl HttpSource {
    /// A source that has asked for nothing yet.
    pub fn new(world: &World, settings: &SourceSettings, url: &str, merger: Merger<usize>) -> Self {
        Self {
            net: world.net.clone(),
            trust: Trust::Authorities(Arc::new(Authorities::of_host(&world.files, world.clock.clone()))),
            url: url.to_owned(),
            headers: with_agent(settings.headers.clone()),
            period: settings.http_period.max(Duration::from_millis(1)),
            node_name: settings.node_name.clone(),
            local_objects: settings.local_objects,
            merger,
            last: None,
        }
    }

    /// Asks until its task ends.
    pub async fn run(mut self) {
        let mut failures = 0_u32;
        loop {
            match self.ask().await {
                Ok(()) => {
                    if failures > 0 {
                        tracing::info!("Successfully read pods from URL");
                    }
                    failures = 0;
                }
                Err(error) => {
                    match failures.cmp(&LOUD) {
                        std::cmp::Ordering::Less => tracing::warn!(err = error, "Failed to read pods from URL"),
                        std::cmp::Ordering::Equal => tracing::warn!(
                            err = error,
                            "Failed to read pods from URL. Dropping verbosity of this message to V(4)"
                        ),
                        std::cmp::Ordering::Greater => tracing::debug!(err = error, "Failed to read pods from URL"),
                    }
                    failures = failures.saturating_add(1);
                }
            }
            tokio::time::sleep(self.period).await;
        }
    }

    async fn ask(&mut self) -> Result<(), String> {
        let url = Url::parse(&self.url).map_err(|why| format!("parse {:?}: {why}", self.url))?;
        let get = Get {
            url,
            headers: self.headers.clone(),
            packed: true,
            trust: self.trust.clone(),
            redirects: Redirects::Follow,
            timeout: TIMEOUT,
            limit: LIMIT,
        };
        let answer = get.send(&self.net).await.map_err(|error| error.to_string())?;
        if answer.cut {
            return Err("the read limit is reached".to_owned());
        }
        if answer.status != http::StatusCode::OK {
            return Err(format!("{}: {}", self.url, answer.status));
        }
        if answer.body.is_empty() {
            self.last = None;
            self.merger.set(Vec::new()).await;
            return Err(format!("zero-length data received from {}", self.url));
        }
        if self.last.as_ref() == Some(&answer.body) {
            return Ok(());
        }
        let pods = self.pods(&answer.body);
        // Remembered even if it is broken: a broken body is told once.
        self.last = Some(answer.body);
        self.merger.set(pods?.into_iter().enumerate().collect()).await;
        Ok(())
    }

    fn pods(&self, body: &[u8]) -> Result<Vec<Arc<Pod>>, String> {
        let source = Source::Url(&self.url);
        match decode::manifest_or_list(body) {
            Ok(pods) => {
                let pods = pods.into_iter().map(|pod| parse::accept(pod, source, &self.node_name, self.local_objects));
                pods.collect::<Result<_, _>>().map_err(|error| format!("{}: {error}", self.url))
            }
            Err(error) => {
                let single = decode::manifest(body).err().map_or_else(String::new, |error| error.to_string());
                Err(format!(
                    "{}: received '{}', but couldn't parse as single ({single}) or multiple pods ({error})",
                    self.url,
                    String::from_utf8_lossy(body)
                ))
            }
        }
    }
}

/// Go's client names itself unless told otherwise, and takes the host from the URL alone.
fn with_agent(mut headers: Vec<(String, String)>) -> Vec<(String, String)> {
    headers.retain(|(name, _)| !name.eq_ignore_ascii_case("host"));
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("user-agent")) {
        headers.insert(0, ("User-Agent".to_owned(), "Go-http-client/1.1".to_owned()));
    }
    headers
}
