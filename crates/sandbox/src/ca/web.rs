//! Fetching the file of *http-token*: HTTPS where the profile has it, then HTTP, few redirects, a bounded body (facts,
//! sections 4.4 and 4.9).
//!
//! Written out by hand: one request of HTTP/1.0 is less than a client library would be, and every connection goes
//! to an address of the profile, never into the real network.

use std::io;

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{
    profile::Profile,
    scope::{closest, encloses, last_two_labels},
    switches::Redirects,
};

/// Where the file is.
const PATH: &str = "/.well-known/pki-validation/fileauth.txt";
/// Redirects that are followed.
const MOST_REDIRECTS: usize = 5;
/// Characters of a file that are looked at.
const LOOKED_AT: usize = 5000;
/// Head and body together.
const LONGEST_ANSWER: u64 = 64 * 1024;

/// The text of the file at `name`, if there is one.
pub(super) async fn fetch(name: &str, profile: &Profile) -> Option<String> {
    for is_secure in [true, false] {
        match tokio::time::timeout(profile.http_timeout, follow(name, is_secure, profile)).await {
            Ok(Ok(Some(file))) => return Some(file),
            Ok(Ok(None)) | Err(_) => {}
            Ok(Err(error)) => tracing::debug!(name, is_secure, %error, "the CA could not fetch the file"),
        }
    }
    None
}

async fn follow(name: &str, mut is_secure: bool, profile: &Profile) -> io::Result<Option<String>> {
    let (mut host, mut path) = (name.to_owned(), PATH.to_owned());
    for _ in 0..=MOST_REDIRECTS {
        let Some((status, head, body)) = ask(&host, &path, is_secure, profile).await? else {
            return Ok(None);
        };
        match status {
            301 | 302 | 307 | 308 => match target(&head) {
                Some(Target::Path(to)) => path = to,
                // Within the same base domain only.
                Some(Target::Elsewhere { secure, host: to, path: file })
                    if profile.redirects == Redirects::WithinDomain
                        && encloses(last_two_labels(name), &to) =>
                {
                    (is_secure, host, path) = (secure, to, file);
                }
                Some(Target::Elsewhere { .. }) | None => return Ok(None),
            },
            200..=399 => return Ok(Some(body.chars().take(LOOKED_AT).collect())),
            _ => return Ok(None),
        }
    }
    Ok(None)
}

/// One request. `None` where no server is configured, or the answer is no HTTP.
async fn ask(
    host: &str,
    path: &str,
    is_secure: bool,
    profile: &Profile,
) -> io::Result<Option<(u16, String, String)>> {
    let servers = if is_secure { &profile.web_tls } else { &profile.web };
    let Some(server) = closest(servers.keys().map(String::as_str), host) else { return Ok(None) };
    let stream = TcpStream::connect(servers[server]).await?;
    let answer = match is_secure {
        true => exchange(super::tls::connect(host, stream).await?, host, path).await?,
        false => exchange(stream, host, path).await?,
    };
    let answer = String::from_utf8_lossy(&answer);
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { return Ok(None) };
    let status = head.split_ascii_whitespace().nth(1).and_then(|status| status.parse().ok());
    Ok(status.map(|status| (status, head.to_owned(), body.to_owned())))
}

async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    host: &str,
    path: &str,
) -> io::Result<Vec<u8>> {
    let request = format!(
        "GET {path} HTTP/1.0\r\nHost: {host}\r\nUser-Agent: DigiCert DCV Bot/1.1\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    match stream.take(LONGEST_ANSWER).read_to_end(&mut answer).await {
        // Many servers end a connection without the word that TLS has for it.
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error),
        Ok(_) | Err(_) => Ok(answer),
    }
}

/// Where a redirect leads.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    Path(String),
    Elsewhere { secure: bool, host: String, path: String },
}

/// Host and path of a redirect. Of absolute addresses, those on the standard ports.
fn target(head: &str) -> Option<Target> {
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    let location = fields.find(|(name, _)| name.eq_ignore_ascii_case("location"))?.1.trim();
    if location.starts_with('/') && !location.starts_with("//") {
        return Some(Target::Path(location.to_owned()));
    }
    let (secure, address) = match location.strip_prefix("https://") {
        Some(address) => (true, address),
        None => (false, location.strip_prefix("http://")?),
    };
    let (host, path) = address.split_at(address.find('/').unwrap_or(address.len()));
    let host = host.strip_suffix(if secure { ":443" } else { ":80" }).unwrap_or(host);
    let path = if path.is_empty() { "/" } else { path }.to_owned();
    (!host.contains(':')).then(|| Target::Elsewhere { secure, host: host.to_ascii_lowercase(), path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_name_a_host_and_a_path() {
        let of = |location: &str| target(&format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\nX: y"));
        let elsewhere = |secure, host: &str, path: &str| {
            Some(Target::Elsewhere { secure, host: host.to_owned(), path: path.to_owned() })
        };
        assert_eq!(of("/x"), Some(Target::Path("/x".to_owned())));
        assert_eq!(of("http://B.example:80/x"), elsewhere(false, "b.example", "/x"));
        assert_eq!(of("http://b.example"), elsewhere(false, "b.example", "/"));
        assert_eq!(of("https://a.example:443/"), elsewhere(true, "a.example", "/"));
        for other in ["http://a.example:8080/", "https://a.example:80/", "//b.example/x", "x", ""] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
