//! Fetching the file of *http-token*: plain HTTP, few redirects, a bounded body (facts, section 4.4).
//!
//! Written out by hand: one request of HTTP/1.0 is less than a client library would be, and every connection goes
//! to an address of the profile, never into the real network.

use std::io;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{
    profile::Profile,
    scope::{closest, encloses, last_two_labels},
};

/// Where the file is.
const PATH: &str = "/.well-known/pki-validation/fileauth.txt";
/// Redirects that are followed.
const MOST_REDIRECTS: usize = 5;
/// The longest file that is looked at.
const LONGEST_FILE: usize = 5000;
/// Head and body together.
const LONGEST_ANSWER: u64 = 16 * 1024;

/// The text of the file at `name`, if there is one.
pub(super) async fn fetch(name: &str, profile: &Profile) -> Option<String> {
    match tokio::time::timeout(profile.http_timeout, follow(name, profile)).await {
        Ok(Ok(file)) => file,
        Ok(Err(error)) => {
            tracing::debug!(name, %error, "the CA could not fetch the file");
            None
        }
        Err(_) => None,
    }
}

async fn follow(name: &str, profile: &Profile) -> io::Result<Option<String>> {
    let (mut host, mut path) = (name.to_owned(), PATH.to_owned());
    for _ in 0..=MOST_REDIRECTS {
        let Some((status, head, body)) = ask(&host, &path, profile).await? else { return Ok(None) };
        match status {
            200..=299 => return Ok((body.len() <= LONGEST_FILE).then_some(body)),
            301 | 302 | 307 | 308 => match target(&head, &host) {
                // Within the same base domain only.
                Some(to) if encloses(last_two_labels(name), &to.0) => (host, path) = to,
                _ => return Ok(None),
            },
            _ => return Ok(None),
        }
    }
    Ok(None)
}

/// One request. `None` where no server is configured, or the answer is no HTTP.
async fn ask(host: &str, path: &str, profile: &Profile) -> io::Result<Option<(u16, String, String)>> {
    let Some(server) = closest(profile.web.keys().map(String::as_str), host) else { return Ok(None) };
    let mut stream = TcpStream::connect(profile.web[server]).await?;
    let request = format!(
        "GET {path} HTTP/1.0\r\nHost: {host}\r\nUser-Agent: DigiCert DCV Bot/1.1\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(LONGEST_ANSWER).read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { return Ok(None) };
    let status = head.split_ascii_whitespace().nth(1).and_then(|status| status.parse().ok());
    Ok(status.map(|status| (status, head.to_owned(), body.to_owned())))
}

/// Host and path of a redirect. Of absolute addresses, those on the standard port of HTTP.
fn target(head: &str, host: &str) -> Option<(String, String)> {
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    let location = fields.find(|(name, _)| name.eq_ignore_ascii_case("location"))?.1.trim();
    if location.starts_with('/') && !location.starts_with("//") {
        return Some((host.to_owned(), location.to_owned()));
    }
    let address = location.strip_prefix("http://")?;
    let (host, path) = address.split_at(address.find('/').unwrap_or(address.len()));
    let host = host.strip_suffix(":80").unwrap_or(host);
    let path = if path.is_empty() { "/" } else { path };
    (!host.contains(':')).then(|| (host.to_ascii_lowercase(), path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_name_a_host_and_a_path() {
        let of = |location: &str| {
            target(&format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\nX: y"), "a.example")
        };
        let pair = |host: &str, path: &str| Some((host.to_owned(), path.to_owned()));
        assert_eq!(of("/x"), pair("a.example", "/x"));
        assert_eq!(of("http://B.example:80/x"), pair("b.example", "/x"));
        assert_eq!(of("http://b.example"), pair("b.example", "/"));
        for other in ["https://a.example/", "http://a.example:8080/", "//b.example/x", "x", ""] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
