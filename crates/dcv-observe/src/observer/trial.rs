//! Whether resolvers and name servers can be reached at all, for a person.

use std::time::Duration;

use dcv_core::{DomainName, Transport};
use futures_util::future::join_all;
use hickory_proto::rr::{Name, RecordType};
use tokio::time::Instant;

use super::Observer;
use crate::{Error, authority::zone_cut::wire_name};

impl Observer {
    /// Asks each configured resolver for the root's name servers: whether it answers, and how fast.
    pub async fn try_resolvers(&self) -> Vec<(String, Result<Duration, Error>)> {
        let each = self.inner.everywhere.resolvers.iter().map(|resolver| async {
            let start = Instant::now();
            let answer = resolver.ask(&Name::root(), RecordType::NS).await;
            (resolver.name.clone(), answer.map(|_| start.elapsed()))
        });
        join_all(each).await
    }

    /// Asks one name server of a zone over UDP alone and over TCP alone.
    pub async fn try_transports(&self, zone: &DomainName) -> Vec<(&'static str, Result<Duration, Error>)> {
        let cut = match wire_name(zone) {
            Ok(wire) => self.view(zone).walk.find_zone(&wire).await,
            Err(error) => Err(error),
        };
        let server = cut.and_then(|cut| cut.servers.first().cloned().ok_or(Error::NoNameServer));
        let server = match server {
            Ok(server) => server,
            Err(error) => return vec![("udp", Err(error))],
        };
        let by_name = |outcome: Result<Duration, Error>| {
            let (server, address) = (server.name.clone(), server.address);
            outcome.map_err(|error| Error::Address { server, address, source: Box::new(error) })
        };
        let (udp, tcp) = tokio::join!(
            self.inner.exchange.only(server.address, Transport::Udp),
            self.inner.exchange.only(server.address, Transport::Tcp)
        );
        vec![("udp", by_name(udp)), ("tcp", by_name(tcp))]
    }
}
