//! Files: what a host's web server shows at each of its addresses.

use std::net::SocketAddr;

use dcv_core::{Answer, DomainName, NoAnswer, NoAnswerKind, RandomValue, Sighting, Vantage, VantageKind};
use futures_util::future::BoxFuture;

use super::{
    Observer,
    fetch::{self, Place},
};
use crate::{Error, authority::zone_cut::wire_name};

/// Where web servers are asked for files: DigiCert's documentation begins at the first, its library at the second.
const HTTP: u16 = 80;
const HTTPS: u16 = 443;
/// The longest that a random value can be.
const LONGEST_VALUE: usize = 255;
/// What is kept of a body before and after the value.
const AROUND: usize = 60;

impl Observer {
    /// What the web server shows at each address of a host, and, where that differs, what DigiCert's library would see there.
    /// Of a body in which the value stands the part around it is kept, else the beginning.
    pub async fn look_at_file(&self, host: &DomainName, value: Option<&RandomValue>) -> Vec<Sighting> {
        let sighting = |kind, address: Option<SocketAddr>, answer| {
            Sighting::new(Vantage { server: host.to_string(), address, kind }, self.now(), answer)
        };
        let shown = |outcome: Result<String, Error>| match outcome {
            Ok(body) => Answer::File(excerpt(body.trim(), value)),
            Err(error) => failed(&error),
        };
        let addresses = match self.web_servers(host).await {
            Ok(addresses) => addresses,
            Err(error) => return vec![sighting(VantageKind::Web, None, failed(&error))],
        };
        let resolve = |name: DomainName| -> BoxFuture<'_, Result<Vec<SocketAddr>, Error>> {
            Box::pin(async move { self.web_servers(&name).await })
        };
        let places: Vec<_> =
            addresses.iter().map(|&http| Place { http, https: self.https(host, http) }).collect();
        // Never closed: it lives as long as what asks it.
        let _permit = self.inner.fetches.acquire().await;
        let mut seen = Vec::new();
        for fetched in fetch::fetch(host, &places, &resolve).await {
            seen.push(sighting(VantageKind::Web, Some(fetched.address), shown(fetched.outcome)));
            if let Some((address, outcome)) = fetched.library {
                seen.push(sighting(VantageKind::Library, Some(address), shown(outcome)));
            }
        }
        if addresses.iter().all(SocketAddr::is_ipv6) {
            let error = Error::NoIpv4 { host: host.to_string() };
            seen.push(sighting(VantageKind::Library, None, failed(&error)));
        }
        seen
    }

    /// What answers for HTTPS beside an address that answers for HTTP.
    fn https(&self, host: &DomainName, http: SocketAddr) -> Option<SocketAddr> {
        let pinned = host.closest(&self.inner.web_tls);
        let beside = || (http.port() == HTTP).then(|| SocketAddr::new(http.ip(), HTTPS));
        let same = |pinned: &Vec<SocketAddr>| pinned.iter().copied().find(|one| one.ip() == http.ip());
        pinned.map_or_else(beside, |pinned| same(pinned).or_else(|| pinned.first().copied()))
    }

    /// The addresses of a host's web server that can be reached from here.
    async fn web_servers(&self, host: &DomainName) -> Result<Vec<SocketAddr>, Error> {
        if let Some(pinned) = host.closest(&self.inner.web) {
            return Ok(pinned.clone());
        }
        let wire = wire_name(host)?;
        let walk = &self.view(host).walk;
        let found = walk.addresses(&wire).await?;
        let servers: Vec<_> =
            found.iter().filter(|&&ip| walk.reaches(ip)).map(|&ip| SocketAddr::new(ip, HTTP)).collect();
        match (found.is_empty(), servers.is_empty()) {
            (true, _) => Err(Error::NoAddress { host: host.to_string() }),
            (false, true) => Err(Error::OtherFamily { host: host.to_string() }),
            (false, false) => Ok(servers),
        }
    }
}

/// Why there is no file, by what a person has to mend.
fn failed(error: &Error) -> Answer {
    let kind = match error {
        Error::AbsoluteRedirect { .. } | Error::ForbiddenRedirect { .. } => NoAnswerKind::Redirect,
        Error::Several(all) if all.iter().any(|(_, one)| matches!(one, Error::AbsoluteRedirect { .. })) => {
            NoAnswerKind::Redirect
        }
        Error::OtherName => NoAnswerKind::Certificate,
        Error::NoIpv4 { .. } => NoAnswerKind::Family,
        Error::Redirected { source, .. } if matches!(**source, Error::OtherName) => NoAnswerKind::Certificate,
        _ => NoAnswerKind::Other,
    };
    Answer::Failed(NoAnswer { kind, detail: error.describe() })
}

/// A file longer than any value is somebody else's, perhaps a page that a redirect led to: what stands around the value is
/// enough, or the beginning.
fn excerpt(body: &str, value: Option<&RandomValue>) -> String {
    if let Some((before, after)) = value.and_then(|value| body.split_once(value.as_str())) {
        let value = value.map_or("", RandomValue::as_str);
        let skipped = before.chars().count().saturating_sub(AROUND);
        let before: String = before.chars().skip(skipped).collect();
        let after: String = after.chars().take(AROUND).collect();
        return format!("{before}{value}{after}");
    }
    match body.char_indices().nth(LONGEST_VALUE) {
        Some((end, _)) => format!("{}… ({} bytes more)", &body[..end], body.len() - end),
        None => body.to_owned(),
    }
}
