//! What a proxy says when it refuses a way through. The HTTP client tells only that it did.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::Url;

use crate::answer::excerpt;

/// The longest that the proxy may take to say it once more.
const LIMIT: Duration = Duration::from_secs(5);
/// A status line is far shorter.
const LINE: u64 = 512;

/// Asks the proxy once more for a way to the target, and returns its status, such as `407 Proxy Authentication
/// Required`. None where it lets through now, says nothing in time, or is itself spoken to over TLS.
pub(crate) async fn refusal(proxy: &Url, target: &Url) -> Option<String> {
    let line = tokio::time::timeout(LIMIT, status_line(proxy, target)).await.ok()??;
    let (version, status) = line.trim().split_once(' ')?;
    (version.starts_with("HTTP/") && !status.starts_with('2')).then(|| excerpt(status, None))
}

async fn status_line(proxy: &Url, target: &Url) -> Option<String> {
    if proxy.scheme() != "http" {
        return None;
    }
    let address = (proxy.host_str()?, proxy.port_or_known_default()?);
    let way = format!("{}:{}", target.host_str()?, target.port_or_known_default()?);
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request = format!("CONNECT {way} HTTP/1.1\r\nHost: {way}\r\n{}\r\n", authorization(proxy));
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut line = Vec::new();
    let mut answer = stream.take(LINE);
    while !line.ends_with(b"\n") {
        line.push(answer.read_u8().await.ok()?);
    }
    String::from_utf8(line).ok()
}

/// The header with the proxy's user and password, where its address has them (RFC 7617).
fn authorization(proxy: &Url) -> String {
    if proxy.username().is_empty() {
        return String::new();
    }
    let plain = |text: &str| percent_decode_str(text).collect::<Vec<u8>>();
    let pair = [&plain(proxy.username())[..], b":", &plain(proxy.password().unwrap_or_default())].concat();
    format!("Proxy-Authorization: Basic {}\r\n", STANDARD.encode(pair))
}
