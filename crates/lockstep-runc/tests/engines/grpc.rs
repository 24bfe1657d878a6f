//! The least of gRPC that a unary call needs: one HTTP/2 request and protobuf by field number.
//!
//! `h2` does HTTP/2; the messages are so few that their field numbers are written where they are
//! used (`cri_api`), which spares a code generator in the build.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::net::UnixStream;

/// How long one call may take.
const LIMIT: Duration = Duration::from_secs(60);

/// A protobuf message in the making. Zero numbers, empty texts and empty messages are written too:
/// to the reader they mean what their absence means.
#[derive(Clone, Default)]
pub(crate) struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0
                .push(u8::try_from(value & 0x7f).unwrap_or_default() | 0x80);
            value >>= 7;
        }
        self.0.push(u8::try_from(value).unwrap_or_default());
    }

    fn delimited(mut self, field: u32, bytes: &[u8]) -> Message {
        self.varint(u64::from(field) << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    /// With a number, an enum or a bool.
    pub(crate) fn number(mut self, field: u32, value: u64) -> Message {
        self.varint(u64::from(field) << 3);
        self.varint(value);
        self
    }

    /// With a string.
    pub(crate) fn text(self, field: u32, text: &str) -> Message {
        self.delimited(field, text.as_bytes())
    }

    /// With strings of a repeated field.
    pub(crate) fn texts(self, field: u32, texts: &[&str]) -> Message {
        texts
            .iter()
            .fold(self, |message, text| message.text(field, text))
    }

    /// With a message.
    pub(crate) fn message(self, field: u32, message: &Message) -> Message {
        self.delimited(field, &message.0)
    }

    /// With one entry of a map of strings.
    pub(crate) fn entry(self, field: u32, key: &str, value: &str) -> Message {
        self.message(field, &Message::default().text(1, key).text(2, value))
    }
}

/// A message that was received.
#[derive(Clone, Default)]
pub(crate) struct Received(Vec<(u32, Value)>);

#[derive(Clone)]
enum Value {
    Number(u64),
    Bytes(Vec<u8>),
}

impl Received {
    /// The fields of a message; those of fixed width are skipped, CRI has none.
    ///
    /// # Errors
    /// The bytes are no message.
    fn parse(mut bytes: &[u8]) -> Result<Received, String> {
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            let key = varint(&mut bytes)?;
            let field = u32::try_from(key >> 3).unwrap_or_default();
            match key & 7 {
                0 => fields.push((field, Value::Number(varint(&mut bytes)?))),
                2 => {
                    let length = usize::try_from(varint(&mut bytes)?).unwrap_or(usize::MAX);
                    fields.push((field, Value::Bytes(take(&mut bytes, length)?.to_vec())));
                }
                1 => drop(take(&mut bytes, 8)?),
                5 => drop(take(&mut bytes, 4)?),
                kind => return Err(format!("field {field} has wire type {kind}")),
            }
        }
        Ok(Received(fields))
    }

    fn find(&self, field: u32) -> Option<&Value> {
        self.0
            .iter()
            .find(|(number, _)| *number == field)
            .map(|(_, value)| value)
    }

    /// A number, 0 if it is absent.
    pub(crate) fn number(&self, field: u32) -> u64 {
        match self.find(field) {
            Some(Value::Number(value)) => *value,
            _ => 0,
        }
    }

    /// A string, empty if it is absent.
    pub(crate) fn text(&self, field: u32) -> String {
        match self.find(field) {
            Some(Value::Bytes(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
            _ => String::new(),
        }
    }

    /// A message, empty if it is absent.
    ///
    /// # Errors
    /// The field holds no message.
    pub(crate) fn message(&self, field: u32) -> Result<Received, String> {
        match self.find(field) {
            Some(Value::Bytes(bytes)) => Received::parse(bytes),
            _ => Ok(Received::default()),
        }
    }

    /// How many times a field occurs.
    pub(crate) fn count(&self, field: u32) -> usize {
        self.0.iter().filter(|(number, _)| *number == field).count()
    }
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8], String> {
    let (head, tail) = bytes
        .split_at_checked(length)
        .ok_or("a message ends early")?;
    *bytes = tail;
    Ok(head)
}

fn varint(bytes: &mut &[u8]) -> Result<u64, String> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *take(bytes, 1)?.first().ok_or("a message ends early")?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err("a number has more than 10 bytes".into())
}

/// Call `method` (`/package.Service/Method`) on the socket.
///
/// # Errors
/// The transport's, or `grpc-status N: message`.
pub(crate) fn call(socket: &str, method: &str, request: &Message) -> Result<Received, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let answer = runtime
        .block_on(async { tokio::time::timeout(LIMIT, exchange(socket, method, request)).await });
    let body = match answer {
        Ok(Ok(body)) => body,
        Ok(Err(error)) => return Err(format!("{method}: {error}")),
        Err(_elapsed) => return Err(format!("{method}: no answer after {} s", LIMIT.as_secs())),
    };
    // A frame: one byte that says whether it is compressed, four of length.
    let message = body
        .get(5..)
        .ok_or_else(|| format!("{method}: no message in the answer"))?;
    Received::parse(message).map_err(|error| format!("{method}: {error}"))
}

async fn exchange(socket: &str, method: &str, request: &Message) -> Result<Bytes, String> {
    let text = |error: &dyn std::error::Error| error.to_string();
    let stream = UnixStream::connect(socket).await.map_err(|e| text(&e))?;
    let (sender, connection) = h2::client::handshake(stream).await.map_err(|e| text(&e))?;
    let connection = tokio::spawn(connection);
    let head = http::Request::post(format!("http://localhost{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .map_err(|e| text(&e))?;
    let mut sender = sender.ready().await.map_err(|e| text(&e))?;
    let (response, mut body) = sender.send_request(head, false).map_err(|e| text(&e))?;
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(u32::try_from(request.0.len()).unwrap_or(u32::MAX));
    frame.put_slice(&request.0);
    body.send_data(frame.freeze(), true).map_err(|e| text(&e))?;
    let response = response.await.map_err(|e| text(&e))?;
    if response.headers().contains_key("grpc-status") {
        status(response.headers())?;
    }
    let mut stream = response.into_body();
    let mut received = BytesMut::new();
    while let Some(chunk) = stream.data().await {
        let chunk = chunk.map_err(|e| text(&e))?;
        stream
            .flow_control()
            .release_capacity(chunk.len())
            .map_err(|e| text(&e))?;
        received.extend_from_slice(&chunk);
    }
    let trailers = stream.trailers().await.map_err(|e| text(&e))?;
    connection.abort();
    status(&trailers.ok_or("no trailers")?)?;
    Ok(received.freeze())
}

fn status(headers: &http::HeaderMap) -> Result<(), String> {
    let value = |name| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    if value("grpc-status") == "0" {
        return Ok(());
    }
    Err(format!(
        "grpc-status {}: {}",
        value("grpc-status"),
        value("grpc-message")
    ))
}
