//! Sockets: addresses, errors, and what flows.

use std::{io::ErrorKind, path::Path, time::Duration};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use world::{
    Tasks,
    net::{Address, Conn, Listener},
};

use crate::{Arm, on_both};

on_both!(
    echoes_over_tcp,
    echoes_over_a_socket_file,
    echoes_over_an_abstract_socket,
    echoes_by_host_name,
    an_empty_host_answers_everywhere,
    addresses_are_told,
    nobody_there_refuses,
    an_address_is_bound_once,
    any_address_takes_all,
    a_dead_socket_is_replaced,
    what_is_no_socket_is_kept,
    a_listener_that_goes_frees_its_address,
    a_replaced_file_is_not_removed,
    paths_have_a_limit,
    half_close_leaves_the_other_half,
    a_gone_reader_fails_the_writer,
    much_flows_both_ways,
    many_connections,
    connections_wait_to_be_accepted,
);

/// Answers everything with itself.
fn echo(tasks: &Tasks, mut listener: Listener) {
    let group = tasks.clone();
    drop(tasks.spawn("echo", async move {
        while let Ok(conn) = listener.accept().await {
            drop(group.spawn("conn", async move {
                let (mut from, mut to) = tokio::io::split(conn);
                let _ = tokio::io::copy(&mut from, &mut to).await;
                let _ = to.shutdown().await;
            }));
        }
    }));
}

/// Says something and reads the answer to its end.
async fn ask(arm: &Arm, address: &Address) -> Vec<u8> {
    let mut conn = arm.net.dial(address).await.unwrap();
    conn.write_all(b"hello").await.unwrap();
    conn.shutdown().await.unwrap();
    let mut answer = Vec::new();
    conn.read_to_end(&mut answer).await.unwrap();
    answer
}

/// Listens there, echoes, and gives the address bound.
async fn serve(arm: &Arm, on: &Address) -> Address {
    let listener = arm.net.listen(on).await.unwrap();
    let bound = listener.local();
    echo(&arm.tasks, listener);
    bound
}

/// Connects to a listener and accepts it.
async fn both_ends(arm: &Arm, listener: &mut Listener) -> (Conn, Conn) {
    let to = listener.local();
    let (client, server) = tokio::join!(arm.net.dial(&to), listener.accept());
    (client.unwrap(), server.unwrap())
}

fn port(address: &Address) -> u16 {
    match address {
        Address::Tcp { port, .. } => *port,
        Address::Unix(path) => panic!("{} has no port", path.display()),
    }
}

async fn refusal(arm: &Arm, address: &Address) -> ErrorKind {
    arm.net.dial(address).await.unwrap_err().kind()
}

async fn listen_error(arm: &Arm, address: &Address) -> ErrorKind {
    arm.net.listen(address).await.unwrap_err().kind()
}

async fn echoes_over_tcp(arm: Arm) {
    let bound = serve(&arm, &Address::tcp("127.0.0.1", 0)).await;
    assert_ne!(port(&bound), 0);
    assert_eq!(ask(&arm, &bound).await, b"hello");
    assert_eq!(ask(&arm, &bound.to_string().parse().unwrap()).await, b"hello");
    assert_eq!(ask(&arm, &Address::tcp("", port(&bound))).await, b"hello", "an empty host is the loopback");
}

async fn echoes_over_a_socket_file(arm: Arm) {
    let address = Address::unix(arm.path("s.sock"));
    assert_eq!(serve(&arm, &address).await, address);
    assert_eq!(ask(&arm, &address).await, b"hello");
    arm.files.symlink(Path::new("s.sock"), &arm.path("link")).unwrap();
    assert_eq!(ask(&arm, &Address::unix(arm.path("link"))).await, b"hello");
    arm.files.remove_file(&arm.path("s.sock")).unwrap();
    assert_eq!(refusal(&arm, &address).await, ErrorKind::NotFound);
}

async fn echoes_over_an_abstract_socket(arm: Arm) {
    let address: Address = format!("unix://@world-{}", std::process::id()).parse().unwrap();
    assert_eq!(refusal(&arm, &address).await, ErrorKind::ConnectionRefused);
    serve(&arm, &address).await;
    assert_eq!(ask(&arm, &address).await, b"hello");
    assert_eq!(listen_error(&arm, &address).await, ErrorKind::AddrInUse);
}

async fn echoes_by_host_name(arm: Arm) {
    let bound = serve(&arm, &Address::tcp("localhost", 0)).await;
    assert_eq!(ask(&arm, &Address::tcp("localhost", port(&bound))).await, b"hello");
    assert!(arm.net.dial(&Address::tcp("no-such-host.invalid", 80)).await.is_err());
}

async fn an_empty_host_answers_everywhere(arm: Arm) {
    for host in ["", "0.0.0.0"] {
        let port = port(&serve(&arm, &Address::tcp(host, 0)).await);
        for to in ["127.0.0.1", "127.1.2.3", "localhost", "0.0.0.0"] {
            assert_eq!(ask(&arm, &Address::tcp(to, port)).await, b"hello", "{host:?} {to}");
        }
    }
}

async fn addresses_are_told(arm: Arm) {
    let mut listener = arm.net.listen(&Address::tcp("127.0.0.1", 0)).await.unwrap();
    let (client, server) = both_ends(&arm, &mut listener).await;

    assert_eq!(client.peer(), &listener.local());
    assert_eq!(server.local(), &listener.local());
    assert_eq!(client.local(), server.peer());
    assert_ne!(port(client.local()), 0);
    // A socket bound to every address tells which one was dialled.
    let mut listener = arm.net.listen(&Address::tcp("", 0)).await.unwrap();
    let dialled = Address::tcp("127.0.0.1", port(&listener.local()));
    let (client, server) = tokio::join!(arm.net.dial(&dialled), listener.accept());
    assert_eq!(server.unwrap().local(), &dialled);
    assert_eq!(client.unwrap().peer(), &dialled);
    let mut listener = arm.net.listen(&Address::unix(arm.path("s"))).await.unwrap();
    let (client, server) = both_ends(&arm, &mut listener).await;
    assert_eq!(client.peer(), &listener.local());
    assert_eq!(server.peer(), &Address::unix(""), "a client's end has no name");
}

async fn nobody_there_refuses(arm: Arm) {
    let free = arm.net.listen(&Address::tcp("127.0.0.1", 0)).await.unwrap().local();
    assert_eq!(refusal(&arm, &free).await, ErrorKind::ConnectionRefused);
    assert_eq!(refusal(&arm, &Address::unix(arm.path("missing"))).await, ErrorKind::NotFound);
    assert_eq!(refusal(&arm, &Address::unix(arm.path("missing/below"))).await, ErrorKind::NotFound);
    arm.files.write(&arm.path("file"), b"", 0o644).unwrap();
    assert_eq!(refusal(&arm, &Address::unix(arm.path("file"))).await, ErrorKind::ConnectionRefused);
    (arm.make_dead_socket)(arm.path("dead"));
    assert_eq!(refusal(&arm, &Address::unix(arm.path("dead"))).await, ErrorKind::ConnectionRefused);
}

async fn an_address_is_bound_once(arm: Arm) {
    let bound = serve(&arm, &Address::tcp("127.0.0.1", 0)).await;
    assert_eq!(listen_error(&arm, &bound).await, ErrorKind::AddrInUse);
    let address = Address::unix(arm.path("s"));
    serve(&arm, &address).await;
    assert_eq!(listen_error(&arm, &address).await, ErrorKind::AddrInUse);
    assert_eq!(ask(&arm, &address).await, b"hello", "trying to bind does not harm who is there");
}

async fn any_address_takes_all(arm: Arm) {
    let one = serve(&arm, &Address::tcp("127.0.0.1", 0)).await;
    assert_eq!(listen_error(&arm, &Address::tcp("0.0.0.0", port(&one))).await, ErrorKind::AddrInUse);
    let other = Address::tcp("127.9.9.9", port(&one));
    serve(&arm, &other).await;
    let any = serve(&arm, &Address::tcp("0.0.0.0", 0)).await;
    assert_eq!(listen_error(&arm, &Address::tcp("127.0.0.1", port(&any))).await, ErrorKind::AddrInUse);
}

async fn a_dead_socket_is_replaced(arm: Arm) {
    let address = Address::unix(arm.path("s"));
    (arm.make_dead_socket)(arm.path("s"));
    serve(&arm, &address).await;
    assert_eq!(ask(&arm, &address).await, b"hello");
}

async fn what_is_no_socket_is_kept(arm: Arm) {
    arm.files.write(&arm.path("file"), b"precious", 0o644).unwrap();
    assert_eq!(listen_error(&arm, &Address::unix(arm.path("file"))).await, ErrorKind::AlreadyExists);
    assert_eq!(arm.files.read(&arm.path("file"), 10).unwrap(), b"precious");
    arm.files.symlink(Path::new("file"), &arm.path("link")).unwrap();
    assert_eq!(listen_error(&arm, &Address::unix(arm.path("link"))).await, ErrorKind::AlreadyExists);
    assert_eq!(listen_error(&arm, &Address::unix(arm.path(""))).await, ErrorKind::AlreadyExists);
    assert_eq!(listen_error(&arm, &Address::unix(arm.path("missing/s"))).await, ErrorKind::NotFound);
}

async fn a_listener_that_goes_frees_its_address(arm: Arm) {
    let address = Address::unix(arm.path("s"));
    drop(arm.net.listen(&address).await.unwrap());
    assert!(arm.files.symlink_metadata(&arm.path("s")).is_err(), "the file goes as well");
    assert_eq!(refusal(&arm, &address).await, ErrorKind::NotFound);
    serve(&arm, &address).await;
    let listener = arm.net.listen(&Address::tcp("127.0.0.1", 0)).await.unwrap();
    let address = listener.local();
    drop(listener);
    assert_eq!(refusal(&arm, &address).await, ErrorKind::ConnectionRefused);
    serve(&arm, &address).await;
    assert_eq!(ask(&arm, &address).await, b"hello");
}

async fn a_replaced_file_is_not_removed(arm: Arm) {
    let listener = arm.net.listen(&Address::unix(arm.path("s"))).await.unwrap();
    arm.files.remove_file(&arm.path("s")).unwrap();
    arm.files.write(&arm.path("s"), b"another's", 0o644).unwrap();
    drop(listener);
    assert!(arm.files.exists(&arm.path("s")));
}

async fn paths_have_a_limit(arm: Arm) {
    let room = 107 - arm.path("").as_os_str().len() - 1;
    serve(&arm, &Address::unix(arm.path(&"x".repeat(room)))).await;
    let long = Address::unix(arm.path(&"x".repeat(room + 1)));
    for error in [arm.net.listen(&long).await.unwrap_err(), arm.net.dial(&long).await.unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().ends_with("is 108 bytes long; a unix socket's path has at most 107"), "{error}");
    }
}

async fn half_close_leaves_the_other_half(arm: Arm) {
    for address in [Address::tcp("127.0.0.1", 0), Address::unix(arm.path("s"))] {
        let mut listener = arm.net.listen(&address).await.unwrap();
        let (mut client, mut server) = both_ends(&arm, &mut listener).await;
        client.write_all(b"question").await.unwrap();
        client.shutdown().await.unwrap();
        let mut heard = Vec::new();
        server.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, b"question");
        server.write_all(b"late answer").await.unwrap();
        drop(server);
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, b"late answer");
    }
}

async fn a_gone_reader_fails_the_writer(arm: Arm) {
    for address in [Address::tcp("127.0.0.1", 0), Address::unix(arm.path("s"))] {
        let mut listener = arm.net.listen(&address).await.unwrap();
        let (mut client, server) = both_ends(&arm, &mut listener).await;
        drop(server);
        let write = async {
            loop {
                if let Err(e) = client.write_all(&[0; 4096]).await {
                    break e.kind();
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let kind = tokio::time::timeout(Duration::from_secs(10), write).await.unwrap();
        assert!(matches!(kind, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{kind:?}");
    }
}

async fn much_flows_both_ways(arm: Arm) {
    const SIZE: usize = 5_000_000;
    for address in [Address::tcp("127.0.0.1", 0), Address::unix(arm.path("s"))] {
        let bound = serve(&arm, &address).await;
        let sent: Vec<u8> = (0..SIZE).map(|n| (n % 251) as u8).collect();
        let (mut from, mut to) = tokio::io::split(arm.net.dial(&bound).await.unwrap());
        let send = async {
            to.write_all(&sent).await.unwrap();
            to.shutdown().await.unwrap();
        };
        let mut heard = Vec::new();
        let ((), read) = tokio::join!(send, from.read_to_end(&mut heard));
        assert_eq!(read.unwrap(), SIZE);
        assert!(heard == sent, "the bytes come back as they were");
    }
}

async fn many_connections(arm: Arm) {
    let bound = serve(&arm, &Address::unix(arm.path("s"))).await;
    let asked = (0..200).map(|n: u32| {
        let (arm, bound) = (&arm, &bound);
        async move {
            let mut conn = arm.net.dial(bound).await.unwrap();
            conn.write_all(&n.to_le_bytes()).await.unwrap();
            let mut answer = [0; 4];
            conn.read_exact(&mut answer).await.unwrap();
            u32::from_le_bytes(answer)
        }
    });
    let answers = futures_util::future::join_all(asked).await;
    assert_eq!(answers, (0..200).collect::<Vec<_>>());
}

async fn connections_wait_to_be_accepted(arm: Arm) {
    let mut listener = arm.net.listen(&Address::unix(arm.path("s"))).await.unwrap();
    let mut conns = Vec::new();
    for n in 0..5u8 {
        let mut conn = arm.net.dial(&listener.local()).await.unwrap();
        conn.write_all(&[n]).await.unwrap();
        conns.push(conn);
    }
    for n in 0..5 {
        assert_eq!(listener.accept().await.unwrap().read_u8().await.unwrap(), n);
    }
}
