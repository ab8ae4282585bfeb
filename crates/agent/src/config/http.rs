//! How files of `http-token` reach the CA: by the responder, or in document roots of other web servers.

use std::{net::SocketAddr, path::PathBuf};

use super::{account::check_pattern, found::Found, raw::RawHttp};
use crate::files::Routes;

/// How files reach the CA.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Http {
    /// Where the responder listens, if it runs.
    pub listen: Option<SocketAddr>,
    /// Which host is served how.
    pub routes: Routes,
}

impl Http {
    pub(super) fn check(raw: RawHttp, status_page: Option<SocketAddr>, found: &mut Found) -> Self {
        let listen = raw.listen.filter(|text| !text.is_empty()).and_then(|text| {
            let address = text.parse::<SocketAddr>();
            address
                .map_err(|_| found.push(("http.listen".into(), format!("{text:?} is not address:port"))))
                .ok()
        });
        if listen.is_some_and(|address| address.port() != 0 && Some(address) == status_page) {
            found.push(("http.listen".into(), "is agent.listen as well; the status page has its own".into()));
        }
        let mut routes = Routes::default();
        match (listen, raw.hosts) {
            (Some(_), Some(hosts)) => {
                let patterns = hosts.iter().filter_map(|text| check_pattern("http.hosts", text, found));
                routes.responder = patterns.collect();
            }
            (Some(_), None) => routes.everywhere = true,
            (None, Some(_)) => found.push(("http.hosts".into(), "needs http.listen".into())),
            (None, None) => {}
        }
        for (host, folder) in raw.webroots {
            let key = format!("http.webroots.{host}");
            let folder: PathBuf = folder;
            if !folder.is_absolute() {
                found.push((key, "is not an absolute path".into()));
            } else if let Some(pattern) = check_pattern(&key, &host, found) {
                routes.webroots.insert(pattern, folder);
            }
        }
        Self { listen, routes }
    }
}
