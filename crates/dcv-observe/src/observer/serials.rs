//! What a zone's serial says of answers that are known: a server whose zone is still the one in which a name had nothing is
//! not asked for that name again. One question tells that for all names, where hundreds are waited for.

use std::{net::SocketAddr, time::Duration};

use dcv_core::{DomainName, Sighting};
use hickory_proto::{
    op::DnsResponse,
    rr::{Name, RData, RecordType},
};

use super::Observer;
use crate::authority::{
    kept::Kept,
    zone_cut::{Server, ZoneCut},
};

/// A serial is asked for once, however many names it is wanted for at the same time.
const FRESH: Duration = Duration::from_millis(4);
/// After this long the name itself is asked for whatever serials say: not every zone raises them with each change.
const BELIEVED: Duration = Duration::from_secs(5);

/// Serials of zones, at their servers.
pub(super) struct Serials {
    now: Kept<(Name, SocketAddr), u32>,
    /// At which a server had nothing at a name.
    denied: Kept<(DomainName, SocketAddr), u32>,
}

impl Serials {
    pub(super) fn new() -> Self {
        Self { now: Kept::new(FRESH), denied: Kept::new(BELIEVED) }
    }

    /// Notes at which serial the server had nothing there: a denial carries the zone's SOA (RFC 2308 section 3).
    pub(super) fn note_denial(&self, owner: &DomainName, server: SocketAddr, response: &DnsResponse) {
        if !response.answers.is_empty() {
            return;
        }
        let soa = response.authorities.iter().find_map(|record| match &record.data {
            RData::SOA(soa) => Some(soa.serial),
            _ => None,
        });
        if let Some(serial) = soa {
            self.denied.keep((owner.clone(), server), serial);
        }
    }
}

impl Observer {
    /// Whether a server that had nothing at the name cannot have it yet: its zone is as it was then, and a server that shows
    /// the value is ahead of it. Where no server is, serials may not be raised with each change, and tell nothing.
    pub(super) async fn still_denies(
        &self,
        owner: &DomainName,
        cut: &ZoneCut,
        server: &Server,
        showing: &[&Sighting],
    ) -> bool {
        let Some(denied) = self.inner.serials.denied.get(&(owner.clone(), server.address)) else {
            return false;
        };
        let Some(ahead) = showing.iter().find_map(|sighting| sighting.vantage.address) else { return false };
        let (its, ahead) = futures_util::join!(self.serial(cut, server.address), self.serial(cut, ahead));
        its == Some(denied) && ahead.is_some_and(|ahead| is_ahead(ahead, denied))
    }

    async fn serial(&self, cut: &ZoneCut, server: SocketAddr) -> Option<u32> {
        let ask = async {
            let reply = self.inner.exchange.ask(server, &cut.apex, RecordType::SOA).await?;
            let soa = reply.response.answers.iter().find_map(|record| match &record.data {
                RData::SOA(soa) if record.name == cut.apex => Some(soa.serial),
                _ => None,
            });
            soa.ok_or(crate::Error::Silent)
        };
        self.inner.serials.now.once(&(cut.apex.clone(), server), ask).await.ok()
    }
}

/// Serials go round (RFC 1982 section 3.2).
const fn is_ahead(one: u32, other: u32) -> bool {
    one != other && one.wrapping_sub(other) < 1 << 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_is_ahead_across_the_end_of_its_range() {
        for (one, other, ahead) in [
            (2, 1, true),
            (1, 2, false),
            (7, 7, false),
            (0, u32::MAX, true),
            (u32::MAX, 0, false),
            (1 << 31, 1, true),
            (1 << 31, 0, false),
        ] {
            assert_eq!(is_ahead(one, other), ahead, "{one} {other}");
        }
    }
}
