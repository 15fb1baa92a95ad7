//! What a scenario makes a container do, whatever its command says: matched before any program runs.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep, sleep_until},
};

use crate::{
    duration::Span,
    os::{Code, Disposition, Exit, Process, Signal, health, servers, tls::Tls},
    shell,
};

/// A rule: which containers, and what they do. The first rule that matches counts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Behaviour {
    /// Name of the pod; a shell pattern.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// Name of the container; a shell pattern.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Image as the manifest names it; a shell pattern.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// A part of the command line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// What it does.
    #[serde(default)]
    pub run: Run,
    /// What it does at each start, the first entry at the first start; the last entry, or `run`, for all later ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<Run>,
    /// What commands executed in it do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exec: Vec<ExecRule>,
}

/// What the first process of a container does.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Run {
    /// Fails to start at all, with this message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_error: Option<String>,
    /// Ends by itself with this status, `after` some time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<i32>,
    /// When it ends by itself; at once if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Span>,
    /// Ends as if out of memory, after that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out_of_memory: Option<Span>,
    /// TERM and other signals do nothing; only KILL ends it.
    #[serde(default)]
    pub ignore_term: bool,
    /// Status with which it ends at TERM; 143 if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub term_exit: Option<i32>,
    /// How long it takes to end at TERM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub term_after: Option<Span>,
    /// Lines that it writes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<LogLine>,
    /// What it writes to its termination log before it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub termination_message: Option<String>,
    /// HTTP that it serves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub http: Vec<HttpRule>,
    /// gRPC's health service that it serves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grpc: Vec<GrpcRule>,
    /// Ports on which it accepts connections and says nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tcp: Vec<u16>,
}

/// A line in a container's log.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LogLine {
    /// When, after the start.
    #[serde(default)]
    pub at: Span,
    /// What.
    pub text: String,
    /// On standard error instead of standard output.
    #[serde(default)]
    pub stderr: bool,
}

/// An answer to HTTP requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct HttpRule {
    /// Port.
    pub port: u16,
    /// Path; a shell pattern.
    #[serde(default = "any")]
    pub path: String,
    /// Status.
    #[serde(default = "ok")]
    pub status: u16,
    /// Body; of a redirect, a status from 300 to 399, where it leads.
    #[serde(default)]
    pub body: String,
    /// From when on, after the start; before that other rules answer, or 503.
    #[serde(default)]
    pub from: Span,
    /// Until when, after the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Span>,
    /// The port speaks HTTPS, with the one certificate of all simulated servers. One rule of a port is enough.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tls: bool,
}

/// How a service of gRPC's health service is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct GrpcRule {
    /// Port.
    pub port: u16,
    /// Name of the service; a shell pattern.
    #[serde(default = "any")]
    pub service: String,
    /// Whether it serves.
    #[serde(default = "yes")]
    pub serves: bool,
    /// From when on, after the start; before that other rules answer, or there is no such service.
    #[serde(default)]
    pub from: Span,
    /// Until when, after the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Span>,
}

fn yes() -> bool {
    true
}

fn any() -> String {
    "*".to_owned()
}

fn ok() -> u16 {
    200
}

/// What a command executed in the container does.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ExecRule {
    /// A part of the command line; every command if not said.
    #[serde(default)]
    pub command: String,
    /// Exit status.
    #[serde(default)]
    pub exit: i32,
    /// Standard output.
    #[serde(default)]
    pub stdout: String,
    /// Standard error.
    #[serde(default)]
    pub stderr: String,
    /// How long it takes.
    #[serde(default)]
    pub delay: Span,
    /// Never ends.
    #[serde(default)]
    pub hang: bool,
    /// From when on, after the container's start.
    #[serde(default)]
    pub from: Span,
    /// Until when, after the container's start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Span>,
}

/// Which container a rule is asked about.
#[derive(Clone, Debug, Default)]
pub struct Subject {
    /// Pod name.
    pub pod: String,
    /// Container name.
    pub container: String,
    /// Image as the manifest names it.
    pub image: String,
    /// Command line, joined by blanks.
    pub command: String,
}

impl Behaviour {
    /// Whether the rule is about that container.
    pub fn matches(&self, subject: &Subject) -> bool {
        let held = |pattern: &Option<String>, text: &str| pattern.as_ref().is_none_or(|p| shell::matches(p, text));
        held(&self.pod, &subject.pod)
            && held(&self.container, &subject.container)
            && held(&self.image, &subject.image)
            && self.command.as_ref().is_none_or(|part| subject.command.contains(part.as_str()))
    }

    /// What it does at the start of that number, from 0.
    pub fn at_attempt(&self, attempt: u32) -> &Run {
        let attempt = attempt as usize;
        match self.attempts.get(attempt) {
            Some(run) => run,
            None if self.run == Run::default() => self.attempts.last().unwrap_or(&self.run),
            None => &self.run,
        }
    }

    /// Whether the rule replaces the container's program at all.
    pub fn replaces_program(&self) -> bool {
        !self.attempts.is_empty() || self.run != Run::default()
    }

    /// What a command executed that long after the container's start does.
    pub fn exec(&self, command: &str, since_start: Duration) -> Option<&ExecRule> {
        self.exec.iter().find(|rule| {
            command.contains(&rule.command)
                && since_start >= rule.from.0
                && rule.until.is_none_or(|until| since_start < until.0)
        })
    }
}

/// Plays a [`Run`] as the first process of a container. `termination_path` is where its termination log is mounted. `listening` is told once
/// it listens on all its ports.
pub async fn play(process: Process, run: Run, termination_path: String, listening: oneshot::Sender<()>) -> Code {
    let started = Instant::now();
    for signal in [Signal::TERM, Signal::INT, Signal::QUIT, Signal::HUP] {
        process.set_disposition(signal, if run.ignore_term { Disposition::Ignore } else { Disposition::Handle });
    }
    let tasks = process.kernel().tasks().child("behaviour");
    let _ended = tasks.token().drop_guard();
    let ports: std::collections::BTreeSet<u16> = run.http.iter().map(|rule| rule.port).collect();
    for port in ports {
        let rules: Vec<HttpRule> = run.http.iter().filter(|rule| rule.port == port).cloned().collect();
        let tls = rules.iter().any(|rule| rule.tls).then(Tls::server);
        // A port that cannot be had is one that nobody answers on.
        let Ok(listener) = process.listen(port).await else { continue };
        let server = process.clone();
        let answer: servers::Answer = Arc::new(move |path| {
            let since = started.elapsed();
            let rule = rules.iter().find(|rule| {
                shell::matches(&rule.path, path.split('?').next().unwrap_or(path))
                    && since >= rule.from.0
                    && rule.until.is_none_or(|until| since < until.0)
            });
            match rule {
                Some(rule) => (rule.status, "text/plain", rule.body.clone().into_bytes()),
                None => (503, "text/plain", Vec::new()),
            }
        });
        drop(tasks.spawn("http", async move { servers::serve_on(listener, &server, answer, tls).await }));
    }
    let ports: std::collections::BTreeSet<u16> = run.grpc.iter().map(|rule| rule.port).collect();
    for port in ports {
        let Ok(listener) = process.listen(port).await else { continue };
        let rules: Vec<GrpcRule> = run.grpc.iter().filter(|rule| rule.port == port).cloned().collect();
        let health: health::Health = Arc::new(move |service| {
            let since = started.elapsed();
            let rule = rules.iter().find(|rule| {
                shell::matches(&rule.service, service)
                    && since >= rule.from.0
                    && rule.until.is_none_or(|until| since < until.0)
            });
            rule.map(|rule| rule.serves)
        });
        let server = process.clone();
        drop(tasks.spawn("grpc", async move { health::serve_on(listener, &server, health).await }));
    }
    for port in run.tcp.iter().copied() {
        let Ok(mut listener) = process.listen(port).await else { continue };
        drop(tasks.spawn("tcp", async move {
            let mut held = Vec::new();
            while let Ok(conn) = listener.accept().await {
                held.push(conn);
                if held.len() > 64 {
                    held.remove(0);
                }
            }
        }));
    }
    let _ = listening.send(());
    let writer = process.clone();
    let logs = run.logs.clone();
    let logging = async move {
        let mut lines = logs;
        lines.sort_by_key(|line| line.at);
        for line in lines {
            sleep_until(started + line.at.0).await;
            let text = format!("{}\n", line.text);
            if line.stderr {
                writer.err(text).await;
            } else {
                let _ = writer.out(text).await;
            }
        }
        std::future::pending::<()>().await;
    };
    let life = async {
        match (run.out_of_memory, run.exit) {
            (Some(after), _) => {
                sleep(after.0).await;
                None
            }
            (None, Some(code)) => {
                sleep(run.after.unwrap_or_default().0).await;
                Some(code)
            }
            (None, None) => std::future::pending().await,
        }
    };
    let ending = tokio::select! {
        biased;
        code = life => code.map(Exit::Code).unwrap_or(Exit::OutOfMemory),
        () = process.pending() => {
            sleep(run.term_after.unwrap_or_default().0).await;
            let signal = process.take_pending().unwrap_or(Signal::TERM);
            Exit::Code(run.term_exit.unwrap_or(signal.exit_code()))
        }
        () = logging => Exit::Code(0),
    };
    if let Some(message) = &run.termination_message {
        let who = process.credentials();
        if let Ok(file) = process.files().open(&termination_path, crate::os::OpenMode::WRITE, &who) {
            let _ = file.write(message.as_bytes()).await;
        }
    }
    match ending {
        Exit::OutOfMemory => {
            process.kernel().set_memory_limit(&process.confinement().cgroup, Some(1));
            process.allocate(2);
            std::future::pending().await
        }
        exit => exit.code(),
    }
}
