//! CRI's streaming exec: a WebSocket to the address that `Exec` returns, protocol `v4.channel.k8s.io`.
//!
//! The first byte of each frame says which stream it belongs to. The client side of WebSocket is
//! small enough to stand here: one handshake, masked frames out, plain frames in.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// The streams of the protocol.
const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const ERROR: u8 = 3;
const RESIZE: u8 = 4;

/// Give the terminal behind `url` 77 columns and 33 rows, type `input`, and have what it shows
/// and the status that ends it.
///
/// # Errors
/// The transport's, or an answer that is no WebSocket.
pub(crate) fn terminal(url: &str, input: &str) -> Result<(String, String), String> {
    let text = |error: std::io::Error| format!("{url}: {error}");
    let rest = url
        .strip_prefix("http://")
        .ok_or_else(|| format!("no http address: {url}"))?;
    let (host, path) = rest
        .split_once('/')
        .ok_or_else(|| format!("no path: {url}"))?;
    let mut stream = TcpStream::connect(host).map_err(text)?;
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .map_err(text)?;
    let head = format!(
        "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: bG9ja3N0ZXAtdGVzdC1rZQ==\r\nSec-WebSocket-Protocol: v4.channel.k8s.io\r\nOrigin: http://{host}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).map_err(text)?;
    handshake(&mut stream).map_err(text)?;
    send(&mut stream, RESIZE, br#"{"Width":77,"Height":33}"#).map_err(text)?;
    send(&mut stream, STDIN, input.as_bytes()).map_err(text)?;
    let (mut shown, mut status) = (Vec::new(), Vec::new());
    while let Some(frame) = receive(&mut stream).map_err(text)? {
        match frame.split_first() {
            Some((&STDOUT, bytes)) => shown.extend_from_slice(bytes),
            Some((&ERROR, bytes)) => status.extend_from_slice(bytes),
            _ => {}
        }
    }
    let lossy = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok((lossy(shown), lossy(status)))
}

fn handshake(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    if head.starts_with("HTTP/1.1 101") {
        Ok(())
    } else {
        Err(std::io::Error::other(head))
    }
}

/// One binary frame below 64 KiB. The mask is zero: it protects proxies, and there is none.
fn send(stream: &mut TcpStream, channel: u8, bytes: &[u8]) -> std::io::Result<()> {
    let length = u16::try_from(bytes.len() + 1).map_err(std::io::Error::other)?;
    let mut frame = vec![0x82, 0x80 | 126];
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&[0; 4]);
    frame.push(channel);
    frame.extend_from_slice(bytes);
    stream.write_all(&frame)
}

/// The next frame's payload; none at the end.
fn receive(stream: &mut TcpStream) -> std::io::Result<Option<Vec<u8>>> {
    let mut head = [0; 2];
    match stream.read_exact(&mut head) {
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let mut length = u64::from(head[1] & 0x7f);
    if length == 126 {
        let mut long = [0; 2];
        stream.read_exact(&mut long)?;
        length = u64::from(u16::from_be_bytes(long));
    } else if length == 127 {
        let mut long = [0; 8];
        stream.read_exact(&mut long)?;
        length = u64::from_be_bytes(long);
    }
    let mut payload = vec![0; usize::try_from(length).map_err(std::io::Error::other)?];
    stream.read_exact(&mut payload)?;
    // 8 is a close frame.
    Ok((head[0] & 0x0f != 8).then_some(payload))
}
