//! Files: what a host's web server shows at each of its addresses.

use std::net::SocketAddr;

use dcv_core::{Answer, DomainName, Sighting, Vantage, VantageKind};
use futures_util::future::BoxFuture;

use super::{Observer, answer, fetch};
use crate::{Error, authority::zone_cut::wire_name};

/// Where web servers are asked for files: DigiCert begins there too.
const HTTP: u16 = 80;
/// The longest that a random value can be.
const LONGEST_VALUE: usize = 255;

impl Observer {
    /// What the web server shows at each address of a host.
    pub async fn look_at_file(&self, host: &DomainName) -> Vec<Sighting> {
        let sighting = |address: Option<SocketAddr>, answer| {
            let vantage = Vantage { server: host.to_string(), address, kind: VantageKind::Web };
            Sighting::new(vantage, self.now(), answer)
        };
        let addresses = match self.web_servers(host).await {
            Ok(addresses) => addresses,
            Err(error) => return vec![sighting(None, answer::failed(&error))],
        };
        let resolve = |name: DomainName| -> BoxFuture<'_, Result<Vec<SocketAddr>, Error>> {
            Box::pin(async move { self.web_servers(&name).await })
        };
        // Never closed: it lives as long as what asks it.
        let _permit = self.inner.fetches.acquire().await;
        let fetched = fetch::fetch(host, &addresses, &resolve).await;
        let each = fetched.into_iter().map(|fetched| {
            let answer = match fetched.outcome {
                Ok(body) => Answer::File(excerpt(body.trim())),
                Err(error) => answer::failed(&error),
            };
            sighting(Some(fetched.address), answer)
        });
        each.collect()
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

/// A file longer than any value is somebody else's, perhaps a page that a redirect led to: its beginning is enough.
fn excerpt(body: &str) -> String {
    match body.char_indices().nth(LONGEST_VALUE) {
        Some((end, _)) => format!("{}… ({} bytes more)", &body[..end], body.len() - end),
        None => body.to_owned(),
    }
}
