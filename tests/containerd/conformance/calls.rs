//! Calls that answer the same on both runtimes: idempotency, codes, states, filters, logs, exit codes.

use std::{fs, time::Duration};

use cri_proto::v1;
use futures_util::FutureExt as _;

use super::{Check, Shape, Subject, same, text};

/// The assertions.
pub(super) const CHECKS: &[Check] = &[
    ("states_go_one_way", |s| states(s).boxed()),
    ("looking_at_what_is_unknown_is_not_found", |s| unknown(s).boxed()),
    ("removing_what_is_unknown_is_fine", |s| removing(s).boxed()),
    ("names_are_reserved", |s| names(s).boxed()),
    ("filters_choose", |s| filters(s).boxed()),
    ("exit_codes_reasons_and_logs", |s| exits(s).boxed()),
    ("stopping_waits_for_its_grace", |s| stopping(s).boxed()),
    ("a_program_that_is_not_there", |s| missing(s).boxed()),
    ("exec_ends_at_its_timeout", |s| timeout(s).boxed()),
    ("logs_are_reopened", |s| reopened(s).boxed()),
    ("a_stopped_sandbox_takes_its_containers_along", |s| sandbox(s).boxed()),
    ("images_have_one_id", |s| images(s).boxed()),
];

fn sleeping() -> Shape {
    let namespaces = v1::NamespaceOption { pid: v1::NamespaceMode::Container as i32, ..Default::default() };
    Shape { command: ["sleep", "1000"].map(str::to_owned).into(), namespaces, ..Shape::default() }
}

fn shell(script: &str) -> Shape {
    Shape { command: ["sh", "-c", script].map(str::to_owned).into(), ..sleeping() }
}

async fn states(subject: &Subject) -> Result<(), String> {
    let client = &subject.client;
    let sandbox = subject.sandbox("states", &sleeping()).await?;
    let ready = client.pod_sandbox_status(&sandbox, false).await.map_err(text)?;
    same("the sandbox", &ready.state(), &v1::PodSandboxState::SandboxReady)?;
    let id = subject.create(&sandbox, "states", "main", &sleeping()).await.map_err(text)?;
    let state = async || Ok::<_, String>(client.container_status(&id, false).await.map_err(text)?.state());
    same("created", &state().await?, &v1::ContainerState::ContainerCreated)?;
    client.start_container(&id).await.map_err(text)?;
    same("started", &state().await?, &v1::ContainerState::ContainerRunning)?;
    same("starting twice fails", &client.start_container(&id).await.is_err(), &true)?;
    client.stop_container(&id, 0).await.map_err(text)?;
    same("stopped", &state().await?, &v1::ContainerState::ContainerExited)?;
    client.stop_container(&id, 0).await.map_err(text)?;
    same("starting again fails", &client.start_container(&id).await.is_err(), &true)?;
    let status = client.container_status(&id, false).await.map_err(text)?;
    let ordered = status.created_at <= status.started_at && status.started_at <= status.finished_at;
    same("times in order", &ordered, &true)?;
    client.remove_container(&id).await.map_err(text)?;
    same("gone", &client.container_status(&id, false).await.is_err(), &true)
}

async fn unknown(subject: &Subject) -> Result<(), String> {
    let client = &subject.client;
    let id = "0123456789abcdef";
    let missing = |e: kubelet::cri::CriError| e.is_not_found();
    same("container", &client.container_status(id, false).await.map_err(missing).err(), &Some(true))?;
    same("sandbox", &client.pod_sandbox_status(id, false).await.map_err(missing).err(), &Some(true))?;
    same("start", &client.start_container(id).await.map_err(missing).err(), &Some(true))?;
    let image = v1::ImageSpec { image: "nosuch/image".to_owned(), ..Default::default() };
    same("image", &client.image_status(image, false).await.map_err(text)?.is_none(), &true)
}

async fn removing(subject: &Subject) -> Result<(), String> {
    let client = &subject.client;
    client.remove_container("0123456789abcdef").await.map_err(text)?;
    client.remove_pod_sandbox("0123456789abcdef").await.map_err(text)?;
    let image = v1::ImageSpec { image: "nosuch/image".to_owned(), ..Default::default() };
    client.remove_image(image).await.map_err(text)
}

async fn names(subject: &Subject) -> Result<(), String> {
    let client = &subject.client;
    let sandbox = subject.sandbox("names", &sleeping()).await?;
    let taken = client.run_pod_sandbox(subject.sandbox_config("names", &sleeping()), "").await;
    let said = taken.map_err(text).err().unwrap_or_default();
    same("a sandbox's name", &said.contains(&format!("is reserved for \"{sandbox}\"")), &true)?;
    let id = subject.create(&sandbox, "names", "main", &sleeping()).await.map_err(text)?;
    let said = subject.create(&sandbox, "names", "main", &sleeping()).await.map_err(text).err().unwrap_or_default();
    same("a container's name", &said.contains(&format!("is reserved for \"{id}\"")), &true)
}

async fn filters(subject: &Subject) -> Result<(), String> {
    let client = &subject.client;
    let (sandbox, id) = subject.run("one", &sleeping()).await?;
    subject.run("two", &sleeping()).await?;
    let count =
        async |filter: v1::ContainerFilter| Ok::<_, String>(client.list_containers(filter).await.map_err(text)?.len());
    let by = |f: fn(&mut v1::ContainerFilter, String), value: &str| {
        let mut filter = v1::ContainerFilter::default();
        f(&mut filter, value.to_owned());
        filter
    };
    same("by sandbox", &count(by(|f, v| f.pod_sandbox_id = v, &sandbox)).await?, &1)?;
    same("by id", &count(by(|f, v| f.id = v, &id)).await?, &1)?;
    same("by the start of an id", &count(by(|f, v| f.id = v, &id[..13])).await?, &1)?;
    same("by label", &count(by(|f, v| drop(f.label_selector.insert("name".to_owned(), v)), "two")).await?, &1)?;
    let both = v1::ContainerFilter { id, pod_sandbox_id: "nosuch".to_owned(), ..Default::default() };
    same("all must hold", &count(both).await?, &0)?;
    let exited = v1::ContainerStateValue { state: v1::ContainerState::ContainerExited as i32 };
    same("by state", &count(v1::ContainerFilter { state: Some(exited), ..Default::default() }).await?, &0)
}

async fn exits(subject: &Subject) -> Result<(), String> {
    let line = |text: &str| format!("stdout F {text}");
    let cases: &[(&str, &str, i32, &str, Vec<String>)] = &[
        ("fine", "echo hello", 0, "Completed", vec![line("hello")]),
        ("failed", "echo a; echo b >&2; exit 7", 7, "Error", vec![line("a"), "stderr F b".to_owned()]),
        ("killed", "kill -9 $$; sleep 1; exec sleep 0", 0, "Completed", vec![]),
        ("partial", "printf abc", 0, "Completed", vec!["stdout P abc".to_owned()]),
        ("empty", "echo", 0, "Completed", vec![line("")]),
    ];
    for (name, script, code, reason, log) in cases {
        let (found_code, found_reason, mut found) = subject.finish(name, &shell(script)).await?;
        // Two streams have no order between them.
        found.sort_by_key(|l| l.starts_with("stderr"));
        same(name, &(found_code, found_reason.as_str()), &(*code, *reason))?;
        same(name, &found, log)?;
    }
    Ok(())
}

async fn stopping(subject: &Subject) -> Result<(), String> {
    let (_, id) = subject.run("deaf", &sleeping()).await?;
    let began = std::time::Instant::now();
    subject.client.stop_container(&id, 1).await.map_err(text)?;
    same("a process that does not listen is given its second", &(began.elapsed() >= Duration::from_secs(1)), &true)?;
    let status = subject.client.container_status(&id, false).await.map_err(text)?;
    same("killed", &(status.exit_code, status.reason.as_str()), &(137, "Error"))?;
    let (_, id) = subject.run("polite", &shell("trap 'exit 4' TERM; while true; do sleep 0.1; done")).await?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    subject.client.stop_container(&id, 20).await.map_err(text)?;
    let status = subject.client.container_status(&id, false).await.map_err(text)?;
    same("ended by itself", &(status.exit_code, status.reason.as_str()), &(4, "Error"))
}

async fn missing(subject: &Subject) -> Result<(), String> {
    let shape = Shape { command: vec!["nosuch".to_owned()], ..sleeping() };
    let sandbox = subject.sandbox("missing", &shape).await?;
    let id = subject.create(&sandbox, "missing", "main", &shape).await.map_err(text)?;
    let said = subject.client.start_container(&id).await.map_err(text).err().unwrap_or_default();
    let wanted = "exec: \"nosuch\": executable file not found in $PATH";
    same("what is said", &said.contains(wanted), &true).map_err(|e| format!("{e}: {said}"))?;
    let status = subject.client.container_status(&id, false).await.map_err(text)?;
    same(
        "what is shown",
        &(status.state(), status.exit_code, status.reason.as_str()),
        &(v1::ContainerState::ContainerExited, 128, "StartError"),
    )
}

async fn timeout(subject: &Subject) -> Result<(), String> {
    let (_, id) = subject.run("timeout", &sleeping()).await?;
    let command = ["sleep", "4321"].map(str::to_owned);
    let late = subject.client.exec_sync(&id, &command, Some(Duration::from_secs(1))).await;
    same("it fails", &late.is_err(), &true)?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    same("nothing is left", &subject.sh(&id, "ps | grep -c 'sleep 432[1]'").await?.0.trim().to_owned(), &"0".to_owned())
}

async fn reopened(subject: &Subject) -> Result<(), String> {
    let (_, id) = subject.run("reopened", &shell("while true; do echo x; sleep 0.1; done")).await?;
    let log = subject.directory.join("reopened/reopened.log");
    let old = subject.directory.join("reopened/old.log");
    tokio::time::sleep(Duration::from_millis(500)).await;
    fs::rename(&log, &old).map_err(|e| e.to_string())?;
    subject.client.reopen_container_log(&id).await.map_err(text)?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let before = fs::metadata(&old).map_err(|e| e.to_string())?.len();
    tokio::time::sleep(Duration::from_millis(500)).await;
    same("the old file rests", &fs::metadata(&old).map_err(|e| e.to_string())?.len(), &before)?;
    let lines = fs::read_to_string(&log).map_err(|e| e.to_string())?;
    same("the new one grows", &(lines.lines().count() > 2), &true)
}

async fn sandbox(subject: &Subject) -> Result<(), String> {
    let client = &subject.client;
    let (sandbox, id) = subject.run("along", &sleeping()).await?;
    client.stop_pod_sandbox(&sandbox).await.map_err(text)?;
    client.stop_pod_sandbox(&sandbox).await.map_err(text)?;
    let status = client.pod_sandbox_status(&sandbox, false).await.map_err(text)?;
    same("the sandbox", &status.state(), &v1::PodSandboxState::SandboxNotready)?;
    same("the container", &client.container_status(&id, false).await.map_err(text)?.exit_code, &137)?;
    same("no more containers", &subject.create(&sandbox, "along", "late", &sleeping()).await.is_err(), &true)?;
    client.remove_pod_sandbox(&sandbox).await.map_err(text)?;
    same("the container went too", &client.container_status(&id, false).await.is_err(), &true)
}

async fn images(subject: &Subject) -> Result<(), String> {
    let client = &subject.client;
    let spec = |name: &str| v1::ImageSpec { image: name.to_owned(), ..Default::default() };
    let pulled = client.pull_image(spec("busybox"), None, None).await.map_err(text)?;
    let by_name = client.image_status(spec("busybox"), false).await.map_err(text)?.unwrap_or_default();
    same("pull and status agree", &pulled, &by_name.id)?;
    same("its name is completed", &by_name.repo_tags, &vec!["docker.io/library/busybox:latest".to_owned()])?;
    same("one digest", &by_name.repo_digests.len(), &1)?;
    for name in [by_name.id.as_str(), by_name.repo_digests[0].as_str(), "docker.io/library/busybox:latest"] {
        let found = client.image_status(spec(name), false).await.map_err(text)?;
        same(name, &found.map(|i| i.id), &Some(by_name.id.clone()))?;
    }
    let listed = client.list_images().await.map_err(text)?;
    same("it is listed once", &listed.iter().filter(|i| i.id == by_name.id).count(), &1)
}
