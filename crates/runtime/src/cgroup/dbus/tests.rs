//! Peers that do not answer, or not what was asked.

#![expect(
    clippy::disallowed_methods,
    reason = "a test plays the peer: a socket of its own, and a thread behind it"
)]

use super::*;
use std::os::unix::net::UnixListener;
use std::thread;

const LIMIT: Duration = Duration::from_millis(300);

/// What a client has of a peer that accepts, answers the handshake and then does `act` until the client is gone.
fn of_peer(
    name: &str,
    act: impl Fn(&mut UnixStream) -> io::Result<()> + Send + 'static,
) -> (Failure, Duration) {
    let path = std::env::temp_dir().join(format!("dbus-{name}-{}", std::process::id()));
    let listener = UnixListener::bind(&path).expect("a socket");
    let peer = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut begin = Vec::new();
        while !begin.ends_with(b"BEGIN\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("a handshake");
            begin.extend(byte);
        }
        stream.write_all(b"DATA\r\nOK 0123\r\n").expect("an answer");
        while act(&mut stream).is_ok() {}
    });
    let begin = Instant::now();
    let failure = Connection::open_within(&path, LIMIT)
        .and_then(|mut connection| connection.signal("JobRemoved", |signal| signal.job().map(drop)))
        .expect_err("nothing that is wanted comes");
    let took = begin.elapsed();
    peer.join().expect("the peer ends");
    std::fs::remove_file(path).expect("the socket");
    (failure, took)
}

#[test]
fn signals_of_others_do_not_prolong_the_wait() {
    let other = Method {
        destination: "d",
        path: "/p",
        interface: "i.i",
        member: "JobNew",
    };
    let mut signal = encode(1, other, &Body::default());
    signal[1] = SIGNAL;
    let (failure, took) = of_peer("busy", move |stream| {
        thread::sleep(LIMIT / 10);
        stream.write_all(&signal)
    });
    assert!(matches!(failure, Failure::Late(_)), "{failure}");
    assert!(took < LIMIT * 5, "{took:?}");
}

#[test]
fn a_byte_now_and_then_is_no_answer() {
    let (failure, took) = of_peer("slow", |stream| {
        thread::sleep(LIMIT / 10);
        stream.write_all(b"l")
    });
    assert_eq!(failure.to_string(), "no answer within 0.3 s");
    assert!(took < LIMIT * 5, "{took:?}");
}

#[test]
fn a_peer_that_hangs_up_is_told_from_a_late_one() {
    let (failure, _) = of_peer("gone", |_| Err(io::ErrorKind::Other.into()));
    assert_eq!(failure.to_string(), "the other side hung up");
}

#[test]
fn a_full_backlog_does_not_hold_us() {
    let path = std::env::temp_dir().join(format!("dbus-full-{}", std::process::id()));
    let listener = UnixListener::bind(&path).expect("a socket");
    // Nobody accepts: the last of these finds no place.
    let mut waiting = Vec::new();
    let failure = loop {
        match kernel::socket::connect_stream_within(&path, LIMIT) {
            Ok(stream) => waiting.push(stream),
            Err(_) => break Connection::open_within(&path, LIMIT).expect_err("no place"),
        }
    };
    assert!(matches!(failure, Failure::Late(_)), "{failure}");
    std::fs::remove_file(path).expect("the socket");
    drop((listener, waiting));
}
