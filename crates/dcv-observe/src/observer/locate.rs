//! Where lookups lead, asking authorities only.

use std::collections::BTreeMap;

use dcv_core::{
    Answer, Delegation, DomainName, Holder, Judgement, Label, LocateRequest, Location, Lookup, OwnerSeen,
    Routing, locate,
};
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
        let located = self.in_turn(requests, |request| async move {
            Ok((request.lookup.clone(), self.locate_one(request, routing).await?))
        });
        located.await.into_iter().collect()
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
            // The servers of a zone below the configured one need not answer for it to be in the way.
            Err(error) => match self.cut_below(owner, routing, &error) {
                Some(holder) => {
                    let holders = vec![(owner.clone(), holder)];
                    return Ok(OwnerSeen { holders, ..OwnerSeen::default() });
                }
                None => return Err(error),
            },
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
        let holders = self.holders(owner, &delegation, routing).await;
        Ok(OwnerSeen { delegation, blocked: self.blocked(), holders })
    }

    /// The zones that hold the owner name and the end of its aliases, where the operator serves one. What cannot be found
    /// out is left out: it is no proof against the configuration.
    async fn holders(
        &self,
        owner: &DomainName,
        delegation: &Delegation,
        routing: &dyn Routing,
    ) -> Vec<(DomainName, Holder)> {
        let mut holders = Vec::new();
        if self.blocked() || delegation.broken.is_some() {
            return holders;
        }
        for name in std::iter::once(owner).chain(delegation.chain.last()) {
            if let Some(zone) = routing.zone(name)
                && let Ok(Some(holder)) = self.holder(name).await
                && (holder.apex.is_within(zone) || self.is_no_apex(zone).await)
            {
                holders.push((name.clone(), holder));
            }
        }
        holders
    }

    /// Whether DNS says for certain that no zone begins at a name.
    async fn is_no_apex(&self, zone: &DomainName) -> bool {
        let Ok(wire) = wire_name(zone) else { return false };
        match self.view(zone).walk.ask(&wire, RecordType::SOA).await {
            Ok((_, reply)) => {
                let answers = &reply.response.answers;
                let known =
                    matches!(reply.response.response_code, ResponseCode::NoError | ResponseCode::NXDomain);
                known && !answers.iter().any(|one| one.record_type() == RecordType::SOA && one.name == wire)
            }
            Err(_) => false,
        }
    }

    /// The zone that holds a name, as DNS has it; `None` where no server tells.
    ///
    /// # Errors
    /// When no server answers.
    pub async fn holder(&self, name: &DomainName) -> Result<Option<Holder>, Error> {
        let holder = match self.view(name).walk.holder(&wire_name(name)?).await {
            Ok(holder) => holder,
            Err(Error::ZoneCut { zone, servers, .. }) => {
                return Ok(zone.parse().ok().map(|apex| Holder { apex, servers }));
            }
            Err(error) => return Err(error),
        };
        // The root is no domain, and nobody configures it.
        Ok(holder.and_then(|(apex, servers)| Some(Holder { apex: apex.to_ascii().parse().ok()?, servers })))
    }

    /// The zone below the configured one in which a name lies whose servers do not answer, as far as its parent has told.
    fn cut_below(&self, name: &DomainName, routing: &dyn Routing, error: &Error) -> Option<Holder> {
        let zone = routing.zone(name)?;
        let (apex, servers) = match error {
            Error::ZoneCut { zone, servers, .. } => (zone.parse().ok()?, servers.clone()),
            _ => {
                let (apex, servers) = self.view(name).walk.referred_to(&wire_name(name).ok()?)?;
                (apex.to_ascii().parse().ok()?, servers)
            }
        };
        let holder = Holder { apex, servers };
        (holder.apex != *zone && holder.apex.is_within(zone)).then_some(holder)
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
