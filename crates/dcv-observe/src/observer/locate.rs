//! Where lookups lead, asking authorities only.

use std::collections::BTreeMap;

use dcv_core::{
    Answer, Delegation, DomainName, Judgement, Label, LocateRequest, Location, Lookup, OwnerSeen, Routing,
    locate,
};
use futures_util::future::join_all;
use hickory_proto::{
    op::ResponseCode,
    rr::{Name, RecordType},
};

use super::{Observer, random_label};
use crate::{Error, authority::zone_cut::wire_name};

impl Observer {
    /// Where each lookup leads.
    ///
    /// # Errors
    /// When no server answers.
    pub async fn locate(
        &self,
        requests: &[LocateRequest<'_>],
        routing: &dyn Routing,
    ) -> Result<BTreeMap<Lookup, Location>, Error> {
        let each = requests.iter().map(|request| async move {
            Ok((request.lookup.clone(), self.in_turn(self.locate_one(request, routing)).await?))
        });
        join_all(each).await.into_iter().collect()
    }

    async fn locate_one(
        &self,
        request: &LocateRequest<'_>,
        routing: &dyn Routing,
    ) -> Result<Location, Error> {
        let lookup = request.lookup;
        let seen = match lookup.name() {
            Ok(owner) if lookup.label != Label::File => self.owner_seen(&owner, routing).await?,
            Ok(_) | Err(_) => OwnerSeen::default(),
        };
        match locate(request, &seen, routing) {
            Judgement::Settled(location) => Ok(location),
            Judgement::UnlessWildcard(site) => {
                let host = self.lives_by_wildcard(&lookup.domain, site.zone()).await?;
                Ok(Location::beside(site, host.as_ref()))
            }
        }
    }

    async fn owner_seen(&self, owner: &DomainName, routing: &dyn Routing) -> Result<OwnerSeen, Error> {
        let served = routing.zone(owner).is_some();
        let delegation = match self.delegation(owner).await {
            Ok(delegation) => delegation,
            // Where nobody can be asked the configuration is believed; what is published is looked for all the same.
            Err(_) if served && self.blocked() => Delegation::default(),
            Err(error) => return Err(error),
        };
        // Nobody serves the name itself, so only an alias can help; it may not be at every server yet.
        let alias = match served || !delegation.chain.is_empty() {
            true => None,
            false => self.alias_anywhere(owner).await,
        };
        let delegation = match alias {
            Some(target) => {
                let begun = Delegation { chain: vec![target], ..Delegation::default() };
                self.follow(owner, begun).await?
            }
            None => delegation,
        };
        Ok(OwnerSeen { delegation, blocked: self.blocked() })
    }

    /// The alias that any of the authorities shows.
    async fn alias_anywhere(&self, owner: &DomainName) -> Option<DomainName> {
        self.authorities(owner).await.into_iter().find_map(|sighting| match sighting.answer {
            Answer::Cname(target) => Some(target.name().clone()),
            Answer::Txt(_) | Answer::File(_) | Answer::Failed(_) => None,
        })
    }

    /// The name, or one above it below the zone's apex, that is answered for by a wildcard only. A record at or below such
    /// a name makes it exist, and a name that exists is no longer the wildcard's (RFC 4592 section 2.2.1).
    ///
    /// It is found out by asking below the literal label `*`: the closest name that exists is then the same wildcard's parent only
    /// if the name itself does not exist.
    ///
    /// # Errors
    /// When no server answers now. One that refuses such a question will not answer later either, and is believed to have
    /// no wildcard.
    async fn lives_by_wildcard(
        &self,
        name: &DomainName,
        zone: &DomainName,
    ) -> Result<Option<DomainName>, Error> {
        let mut name = name.clone();
        while name != *zone && name.is_within(zone) {
            // Too long to be asked, and so to be answered.
            let Ok(probe) = below_star(&name) else { return Ok(None) };
            for kind in [RecordType::A, RecordType::AAAA, RecordType::MX] {
                let (_, reply) = self.view(&name).walk.ask(&probe, kind).await?;
                let response = &reply.response;
                match response.response_code {
                    ResponseCode::NoError if response.answers.iter().any(|record| record.name == probe) => {
                        return Ok(Some(name));
                    }
                    ResponseCode::NoError => {}
                    ResponseCode::ServFail => return Err(Error::ServFail(probe.to_string())),
                    _ => return Ok(None),
                }
            }
            let Some(parent) = name.parent() else { break };
            name = parent;
        }
        Ok(None)
    }
}

/// A name below the literal label `*`, which nobody can have made.
fn below_star(name: &DomainName) -> Result<Name, Error> {
    let label = format!("_dcv-{}", random_label());
    Ok(wire_name(name)?.prepend_label(b"*".as_slice())?.prepend_label(label.as_bytes())?)
}
