//! Tests of what only a simulated network has: disturbances, many addresses of a node, virtual time.

use std::io::ErrorKind;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{Instant, timeout},
};

use super::*;
use crate::{World, sim::SimWorld};

const SECOND: Duration = Duration::from_secs(1);

fn sim() -> SimWorld {
    SimWorld::new(1, &Tasks::root("test"))
}

fn at(text: &str) -> Address {
    text.parse().unwrap()
}

async fn pair(world: &World, listener: &mut Listener) -> (Conn, Conn) {
    let client = world.net.dial(&listener.local()).await.unwrap();
    (client, listener.accept().await.unwrap())
}

async fn read(conn: &mut Conn) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; 100];
    let n = conn.read(&mut bytes).await?;
    bytes.truncate(n);
    Ok(bytes)
}

#[tokio::test(start_paused = true)]
async fn a_delay_holds_back_but_does_not_slow() {
    let sim = sim();
    let mut listener = sim.world.net.listen(&at("10.0.0.1:80")).await.unwrap();
    sim.net.disturb("10.0.0.1:*", Disturbance::Delay(SECOND), Reach::All);
    let start = Instant::now();
    let (mut client, mut server) = pair(&sim.world, &mut listener).await;
    assert_eq!(start.elapsed(), SECOND, "connecting");
    client.write_all(b"one").await.unwrap();
    tokio::time::sleep(SECOND / 4).await;
    client.write_all(b"two").await.unwrap();
    assert_eq!(read(&mut server).await.unwrap(), b"one");
    assert_eq!(start.elapsed(), 2 * SECOND);
    assert_eq!(read(&mut server).await.unwrap(), b"two");
    assert_eq!(start.elapsed(), 2 * SECOND + SECOND / 4);
    let big = vec![7; 500_000];
    let mut heard = Vec::new();
    let (sent, all) = tokio::join!(
        async {
            server.write_all(&big).await?;
            server.shutdown().await
        },
        client.read_to_end(&mut heard)
    );
    sent.unwrap();
    all.unwrap();
    assert!(heard == big);
    assert_eq!(start.elapsed(), 3 * SECOND + SECOND / 4, "all of it under way at once");
    drop(client);
    assert_eq!(read(&mut server).await.unwrap(), b"");
    assert_eq!(start.elapsed(), 4 * SECOND + SECOND / 4, "the end takes its time, too");
}

#[tokio::test(start_paused = true)]
async fn a_shrinking_delay_keeps_the_order() {
    let sim = sim();
    let mut listener = sim.world.net.listen(&at("10.0.0.1:80")).await.unwrap();
    let (mut client, mut server) = pair(&sim.world, &mut listener).await;
    let slow = sim.net.disturb("*", Disturbance::Delay(SECOND), Reach::Present);
    client.write_all(b"first").await.unwrap();
    tokio::time::sleep(SECOND / 10).await;
    sim.net.heal(slow);
    client.write_all(b"second").await.unwrap();
    drop(client);
    let mut heard = Vec::new();
    server.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"firstsecond");
}

#[tokio::test(start_paused = true)]
async fn a_black_hole_swallows_until_healed() {
    let sim = sim();
    let mut listener = sim.world.net.listen(&at("/run/a.sock")).await.unwrap();
    let (mut client, mut server) = pair(&sim.world, &mut listener).await;
    let hole = sim.net.disturb("unix:///run/*", Disturbance::BlackHole, Reach::All);
    client.write_all(b"lost?").await.unwrap();
    assert!(timeout(10 * SECOND, read(&mut server)).await.is_err(), "nothing arrives");
    let address = at("/run/a.sock");
    assert!(timeout(10 * SECOND, sim.world.net.dial(&address)).await.is_err(), "nobody answers");
    sim.net.heal(hole);
    assert_eq!(read(&mut server).await.unwrap(), b"lost?");
    sim.net.disturb("unix:///run/*", Disturbance::BlackHole, Reach::Future);
    client.write_all(b"still").await.unwrap();
    assert_eq!(read(&mut server).await.unwrap(), b"still", "an open connection is not reached");
    let start = Instant::now();
    assert_eq!(sim.world.net.dial(&at("/run/a.sock")).await.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(start.elapsed(), GIVE_UP);
}

#[tokio::test(start_paused = true)]
async fn a_cut_resets_both_ends() {
    let sim = sim();
    let mut listener = sim.world.net.listen(&at("127.0.0.1:80")).await.unwrap();
    let (mut client, mut server) = pair(&sim.world, &mut listener).await;
    let mut other = sim.world.net.listen(&at("127.0.0.1:81")).await.unwrap();
    let (mut spared, mut spared_server) = pair(&sim.world, &mut other).await;
    assert_eq!(sim.net.open("127.0.0.1:*"), 2);
    assert_eq!(sim.net.cut("127.0.0.1:80"), 1);
    assert_eq!(read(&mut client).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(read(&mut server).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(server.write_all(b"x").await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    spared.write_all(b"fine").await.unwrap();
    assert_eq!(read(&mut spared_server).await.unwrap(), b"fine");
    assert_eq!(sim.net.open("*"), 1);
    pair(&sim.world, &mut listener).await;
}

#[tokio::test(start_paused = true)]
async fn refused_while_asked_for() {
    let sim = sim();
    let mut listener = sim.world.net.listen(&at("127.0.0.1:80")).await.unwrap();
    let (mut client, mut server) = pair(&sim.world, &mut listener).await;
    sim.net.disturb("127.0.0.1:80", Disturbance::Refuse, Reach::All);
    let refused = sim.world.net.dial(&at("127.0.0.1:80")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    client.write_all(b"open").await.unwrap();
    assert_eq!(read(&mut server).await.unwrap(), b"open");
    sim.net.heal_all();
    pair(&sim.world, &mut listener).await;
}

#[tokio::test(start_paused = true)]
async fn a_pod_is_not_the_node() {
    let sim = sim();
    let net = &sim.world.net;
    let _node = net.listen(&at("0.0.0.0:80")).await.unwrap();
    let refused = net.dial(&at("10.0.0.5:80")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused, "the node's listener does not answer for a pod");
    let _pod = net.listen(&at("10.0.0.5:80")).await.expect("a pod's address is not the node's");
    let conn = net.dial(&at("10.0.0.5:80")).await.unwrap();
    assert_eq!(conn.local().to_string(), "192.0.2.10:32768", "the node dials from its own address");
    for host in ["192.0.2.10", "127.0.0.1", "localhost"] {
        net.dial(&Address::tcp(host, 80)).await.unwrap();
    }
    sim.net.add_node_address([198, 51, 100, 1].into());
    net.dial(&at("198.51.100.1:80")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn names_are_tried_address_by_address() {
    let sim = sim();
    let mut listener = sim.world.net.listen(&at("10.0.0.2:443")).await.unwrap();
    sim.net.set_name("web.example", [IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2])]);
    let conn = sim.world.net.dial(&at("web.example:443")).await.unwrap();
    assert_eq!(conn.peer(), &at("10.0.0.2:443"));
    listener.accept().await.unwrap();
    assert_eq!(sim.net.open("web.example:443"), 1, "found by the name dialled");
    assert_eq!(sim.net.open("10.0.0.2:443"), 1, "and by the address");
    sim.net.set_name("web.example", []);
    assert!(sim.world.net.dial(&at("web.example:443")).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_makes_the_dial_wait() {
    let sim = sim();
    let mut listener = sim.world.net.listen(&at("127.0.0.1:80")).await.unwrap();
    let mut waiting = Vec::new();
    for _ in 0..BACKLOG {
        waiting.push(sim.world.net.dial(&at("127.0.0.1:80")).await.unwrap());
    }
    let address = at("127.0.0.1:80");
    let late = sim.world.net.dial(&address);
    tokio::pin!(late);
    assert!(timeout(SECOND, &mut late).await.is_err());
    listener.accept().await.unwrap();
    late.await.unwrap();
    let refused = sim.world.net.dial(&address);
    tokio::pin!(refused);
    assert!(timeout(SECOND, &mut refused).await.is_err());
    drop(listener);
    assert_eq!(refused.await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test(start_paused = true)]
async fn relays_end_with_their_connections() {
    let tasks = Tasks::root("test");
    let sim = SimWorld::new(1, &tasks);
    let mut listener = sim.world.net.listen(&at("127.0.0.1:80")).await.unwrap();
    let (client, server) = pair(&sim.world, &mut listener).await;
    assert_eq!(tasks.live(), ["test/net/relay 127.0.0.1:80"]);
    drop((client, server));
    tokio::time::sleep(SECOND).await;
    assert_eq!(tasks.live(), [""; 0]);
    assert_eq!(sim.net.open("*"), 0);
    assert_eq!(sim.net.listening(), [at("127.0.0.1:80")]);
}
