//! A request over plain HTTP, as time stamp authorities take it.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// How long a connection may say nothing.
const PATIENCE: Duration = Duration::from_secs(30);
/// An answer is a few kilobytes.
const LONGEST: u64 = 1024 * 1024;

/// Sends a time stamp request to an `http://` URL, and returns the answer (RFC 3161 section 3.4).
///
/// HTTP/1.0, so that the answer comes whole and ends with the connection. Nothing in it is secret, and
/// the authority's signature protects it, so that TLS would add little.
pub fn post_timestamp_query(url: &str, body: &[u8]) -> Result<Vec<u8>, Error> {
    let (host, path) = parts(url).ok_or_else(|| format!("{url} is no http:// URL"))?;
    let mut addresses = match host.contains(':') {
        true => host.to_socket_addrs()?,
        false => (host, 80).to_socket_addrs()?,
    };
    let address = addresses.next().ok_or("the host has no address")?;
    let mut socket = TcpStream::connect_timeout(&address, PATIENCE)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    let head = format!(
        "POST {path} HTTP/1.0\r\nHost: {host}\r\nContent-Type: application/timestamp-query\r\n\
         Accept: application/timestamp-reply\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    socket.write_all(&[head.as_bytes(), body].concat())?;
    let mut answer = Vec::new();
    socket.take(LONGEST).read_to_end(&mut answer)?;

    let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
    let end = end.ok_or("the answer is not HTTP")?;
    let head = String::from_utf8_lossy(&answer[..end]);
    let status = head.lines().next().unwrap_or_default();
    match status.split(' ').nth(1) {
        Some("200") => Ok(answer.split_off(end + 4)),
        _ => Err(format!("the server says {status:?}").into()),
    }
}

/// Host, with its port where there is one, and path.
fn parts(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix("http://")?;
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let sound = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    let path = if path.is_empty() { "/" } else { path };
    (!host.is_empty() && sound(host) && sound(path)).then_some((host, path))
}
