//! Tests of the tree of tasks.

use std::{future::pending, time::Duration};

use super::*;

#[tokio::test(start_paused = true)]
async fn shutdown_waits_for_groups_below() {
    let root = Tasks::root("root");
    let below = root.child("a").child("b");
    let flag = CancellationToken::new();
    let done = flag.clone();
    let token = below.token();
    drop(below.spawn_to_completion("slow", async move {
        token.cancelled().await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        done.cancel();
    }));
    drop(below.spawn("idle", pending::<()>()));
    assert_eq!(root.live(), ["root/a/b/slow", "root/a/b/idle"]);
    root.shutdown().await;
    assert!(flag.is_cancelled());
    assert_eq!(root.live(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_group_ends_alone() {
    let root = Tasks::root("root");
    let below = root.child("a");
    drop(root.spawn("stays", pending::<()>()));
    let ended = below.spawn("goes", pending::<()>());
    below.shutdown().await;
    assert_eq!(ended.await.unwrap(), None);
    assert!(below.is_cancelled() && !root.is_cancelled());
    assert_eq!(root.live(), ["root/stays"]);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_told_by_name() {
    let root = Tasks::root("root");
    let ended = root.child("a").spawn("bad", async { panic!("it {}", "broke") });
    let panic = root.panicked().await;
    assert_eq!(panic.to_string(), "task root/a/bad panicked: it broke");
    assert_eq!(root.panics(), [panic]);
    assert!(ended.await.unwrap_err().is_panic());
    assert_eq!(root.live(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_killed_group_takes_no_further_step() {
    let root = Tasks::root("root");
    let group = root.child("a");
    let (to, mut from) = tokio::sync::mpsc::channel::<u32>(4);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (told, token) = (heard.clone(), group.token());
    let task = group.child("b").spawn("listens", async move {
        loop {
            tokio::select! {
                biased;
                Some(number) = from.recv() => told.lock().unwrap().push(number),
                () = token.cancelled() => told.lock().unwrap().push(0),
            }
        }
    });
    to.send(1).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    // Both are ready when it is polled next: it may neither take the message nor say good-bye.
    to.send(2).await.unwrap();
    group.kill();
    assert_eq!(task.await.unwrap(), None);
    assert_eq!(*heard.lock().unwrap(), [1]);
    assert!(!root.is_cancelled());
}
