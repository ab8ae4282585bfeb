//! Where a lookup leads: aliases from `_dnsauth.<scope>` followed into a configured zone, asking authorities only.

use std::sync::Arc;

use dcv_core::{
    Answer, Artifact, Because, DomainName, Facts, Guarded, Label, Location, Lookup, MethodSpec, Methods,
    Reason, RecordData, Routing, Security, Target,
};
use hickory_proto::{
    op::{Query, ResponseCode},
    rr::{Name, RecordType},
};

use super::{Observer, answer, random_label};
use crate::authority::{
    dnssec::is_dname,
    exchange::Reply,
    walk::{Cut, wire_name},
};

/// CNAME records that are followed from `_dnsauth.<scope>`.
const MAX_CHAIN: usize = 8;

/// How far the aliases from an owner name lead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Delegation {
    /// The targets, in order.
    pub(crate) chain: Vec<DomainName>,
    /// The first alias comes from a wildcard: nobody put it at this very name.
    pub(crate) wildcard: bool,
    /// A DNAME record takes part.
    pub(crate) dname: bool,
    /// Why the chain ends badly.
    pub(crate) broken: Option<Broken>,
}

/// How a chain can end badly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// It comes back to itself.
    Circle,
    /// It is longer than [`MAX_CHAIN`].
    Long,
    /// Nobody answers for the last target.
    Unanswered(String),
    /// The domain of the last target is not registered: somebody else could register it.
    Unregistered(String),
}

impl Broken {
    pub(crate) fn sentence(&self, owner: &DomainName) -> String {
        match self {
            Self::Circle => format!("the CNAME chain from {owner} runs in a circle"),
            Self::Long => format!("the CNAME chain from {owner} is longer than {MAX_CHAIN}"),
            Self::Unanswered(target) => format!(
                "{owner} is an alias that leads to {target}, and no name server there answers for it; remove the CNAME, or point it into a zone of a configured provider"
            ),
            Self::Unregistered(domain) => format!(
                "{owner} is an alias into {domain}, which does not exist: whoever registers it can prove control of your domain; remove the CNAME now"
            ),
        }
    }
}

impl Observer {
    /// Where one lookup leads.
    pub(crate) async fn locate_one(
        &self,
        routing: &dyn Routing,
        facts: &Facts,
        methods: &Methods,
        lookup: &Lookup,
    ) -> Result<Location, String> {
        let blocked = |reason, detail: String| Ok(Location::Blocked(Because::new(reason, detail)));
        let owner = match lookup.name() {
            Ok(owner) => owner,
            Err(error) => return blocked(Reason::BadDelegation, error.to_string()),
        };
        if lookup.label == Label::File {
            return match routing.shows_files(&owner) {
                true => Ok(Location::At(Target::File(owner))),
                false => blocked(
                    Reason::NoProvider,
                    format!(
                        "neither a document root nor the responder is configured for {owner}; add it to [http], or change the DCV method to dns-txt-token"
                    ),
                ),
            };
        }
        let routed = routing.zone(&owner);
        let delegation = match self.delegation(&owner).await {
            Ok(delegation) => delegation,
            // Where nobody can be asked the configuration is believed; what is published is looked for all the same.
            Err(_) if routed.is_some() && self.blocked() => Delegation::default(),
            Err(trouble) => return Err(trouble),
        };
        // Nobody serves the name itself, so only an alias can help; it may not be at every server yet.
        let delegation = match (routed.is_none() && delegation.chain.is_empty()).then_some(&owner) {
            Some(owner) => match self.alias_anywhere(owner).await {
                Some(target) => {
                    self.follow(owner, Delegation { chain: vec![target], ..Delegation::default() }).await?
                }
                None => delegation,
            },
            None => delegation,
        };
        let exclusive = facts.spec(methods).is_some_and(MethodSpec::is_exclusive);
        if let Some(alias) =
            delegation.chain.first().filter(|alias| methods.owns(alias) && !delegation.wildcard)
        {
            let stands = RecordData::Cname(alias.clone());
            let ours = |artifact: &Artifact| matches!(artifact, Artifact::Record { site, data } if *site.owner() == owner && *data == stands);
            if !facts.held.iter().any(|held| ours(&held.artifact)) {
                return blocked(
                    Reason::NameTaken,
                    format!(
                        "{owner} is an alias to {alias} for another order's CNAME method; waiting until it has gone"
                    ),
                );
            }
        }
        // A method that puts an alias at the name follows none, and replaces its own.
        let delegation = if exclusive { Delegation::default() } else { delegation };
        // A wildcard's alias gives way to a record at the name itself. That does no harm at a validation name, and takes
        // the service from a bare one.
        let gives_way = delegation.wildcard && routed.is_some() && lookup.label != Label::Bare;
        let chain = if gives_way { &[] } else { delegation.chain.as_slice() };
        if lookup.label == Label::Bare
            && let Some(alias) = chain.first()
        {
            let why = "no record can stand beside an alias; set owner = \"dnsauth\" for its zone";
            return blocked(Reason::ForeignCname, format!("{owner} is an alias for {alias}: {why}"));
        }
        if let (Some(broken), false) = (&delegation.broken, chain.is_empty()) {
            let reason = match broken {
                Broken::Circle | Broken::Long => Reason::BadDelegation,
                Broken::Unanswered(_) | Broken::Unregistered(_) => Reason::ForeignCname,
            };
            return blocked(reason, broken.sentence(&owner));
        }
        let end = chain.last().unwrap_or(&owner);
        let Some(zone) = routing.zone(end) else {
            return if chain.is_empty() {
                blocked(
                    Reason::NoProvider,
                    format!(
                        "no configured provider serves a zone of {owner}; add the zone to a provider, or delegate {owner} by CNAME into one"
                    ),
                )
            } else {
                blocked(
                    Reason::ForeignCname,
                    format!(
                        "{owner} is an alias for {end}, which lies in no configured zone; remove the CNAME, or configure a provider for that zone"
                    ),
                )
            };
        };
        // Only a first record does that; one of ours that stands has done it already.
        let at_owner =
            |artifact: &Artifact| matches!(artifact, Artifact::Record { site, .. } if *site.owner() == owner);
        if chain.is_empty()
            && !routing.over_wildcards()
            && !facts.held.iter().any(|held| at_owner(&held.artifact))
            && !self.blocked()
            && let Some(host) = self.lives_by_wildcard(&lookup.domain, zone).await?
        {
            return blocked(
                Reason::WildcardHost,
                format!(
                    "{host} lives by a wildcard, and would lose its address while a record stands at {owner}; give it a record of its own, have the domain above it validated, or set records.over_wildcards = true"
                ),
            );
        }
        let site = if chain.is_empty() {
            Guarded::direct(lookup, zone.clone())
        } else {
            Guarded::delegated(lookup, chain, zone.clone())
        };
        Ok(match site {
            Ok(site) => Location::At(Target::Record(site)),
            Err(error) => Location::Blocked(Because::new(Reason::BadDelegation, error.to_string())),
        })
    }

    /// The name, or one above it below the zone's apex, that is answered for by a wildcard only. A record at or below such
    /// a name makes it exist, and a name that exists is no longer the wildcard's (RFC 4592 section 2.2.1).
    ///
    /// It is told by asking below the literal label `*`: the closest name that exists is then the same wildcard's parent only
    /// if the name itself does not exist.
    ///
    /// # Errors
    /// One sentence, where no server tells now. One that refuses such a question will not tell later either, and is believed
    /// to have no wildcard.
    async fn lives_by_wildcard(
        &self,
        name: &DomainName,
        zone: &DomainName,
    ) -> Result<Option<DomainName>, String> {
        let mut name = name.clone();
        while name != *zone && name.is_within(zone) {
            let label = format!("_dcv-{}", random_label());
            let star = wire_name(&name).and_then(|name| name.prepend_label(b"*".as_slice()));
            let Ok(probe) = star.and_then(|star| star.prepend_label(label.as_bytes())) else {
                // Too long to be asked, and so to be answered.
                return Ok(None);
            };
            for kind in [RecordType::A, RecordType::AAAA, RecordType::MX] {
                let (_, reply) = self.eyes(&name).walk.ask(&probe, kind).await?;
                let response = &reply.response;
                match response.response_code {
                    ResponseCode::NoError if response.answers.iter().any(|record| record.name == probe) => {
                        return Ok(Some(name));
                    }
                    ResponseCode::NoError => {}
                    ResponseCode::ServFail => return Err(format!("{probe}: SERVFAIL")),
                    _ => return Ok(None),
                }
            }
            let Some(parent) = name.parent() else { break };
            name = parent;
        }
        Ok(None)
    }

    /// Follows the aliases from an owner name.
    ///
    /// # Errors
    /// One sentence, when nobody answers for the owner name itself.
    pub(crate) async fn delegation(&self, owner: &DomainName) -> Result<Delegation, String> {
        self.follow(owner, Delegation::default()).await
    }

    /// The alias that any of the authorities shows.
    async fn alias_anywhere(&self, owner: &DomainName) -> Option<DomainName> {
        self.authorities(owner).await.into_iter().find_map(|sighting| match sighting.answer {
            Answer::Cname(target) => Some(target),
            Answer::Txt(_) | Answer::File(_) | Answer::Failed(_) => None,
        })
    }

    /// Goes on from where a chain has come to.
    async fn follow(&self, owner: &DomainName, mut found: Delegation) -> Result<Delegation, String> {
        loop {
            let name = found.chain.last().unwrap_or(owner).clone();
            let wire = wire_name(&name).map_err(|error| error.to_string())?;
            let (cut, reply) = match self.alias_at(&name, &wire).await {
                Ok(answer) => answer,
                Err(trouble) if found.chain.is_empty() => return Err(trouble),
                Err(_) => {
                    found.broken = Some(Broken::Unanswered(name.to_string()));
                    return Ok(found);
                }
            };
            found.dname |= reply.response.answers.iter().any(is_dname);
            let target = match answer::of_authority(&reply.response, &wire) {
                Answer::Cname(target) => target,
                Answer::Txt(_) | Answer::File(_) | Answer::Failed(_) => {
                    let missing = reply.response.response_code == ResponseCode::NXDomain;
                    if missing
                        && !found.chain.is_empty()
                        && let Some(domain) = unregistered(&name, &cut.apex)
                    {
                        found.broken = Some(Broken::Unregistered(domain));
                    }
                    return Ok(found);
                }
            };
            if found.chain.is_empty() {
                found.wildcard = self.comes_from_a_wildcard(&name, &target).await;
            }
            let circle = target == *owner || found.chain.contains(&target);
            found.chain.push(target);
            if circle || found.chain.len() > MAX_CHAIN {
                found.broken = Some(if circle { Broken::Circle } else { Broken::Long });
                return Ok(found);
            }
        }
    }

    /// Whether the aliases from `owner` to `end` validate: a chain of trust may break at any of them.
    pub(crate) async fn trust(&self, owner: &DomainName, end: &DomainName) -> Security {
        let mut worst = Security::Unchecked;
        let mut name = owner.clone();
        for _ in 0..MAX_CHAIN {
            let eyes = self.eyes(&name);
            let (Some(validator), Ok(wire)) = (&eyes.validator, wire_name(&name)) else { break };
            if name == *end {
                break;
            }
            let Ok((cut, reply)) = eyes.walk.ask(&wire, RecordType::CNAME).await else { break };
            let query = Query::query(wire.clone(), RecordType::CNAME);
            let apex = eyes.walk.apex(&cut, &wire, &reply.response).await;
            worst = validator.judge(&apex, &query, &reply.response).await;
            if matches!(worst, Security::Bogus(_)) {
                break;
            }
            match answer::of_authority(&reply.response, &wire) {
                Answer::Cname(target) => name = target,
                Answer::Txt(_) | Answer::File(_) | Answer::Failed(_) => break,
            }
        }
        worst
    }

    /// What an authority says at a name. A server that follows an alias and gets lost answers SERVFAIL; asked for the
    /// alias itself it tells.
    async fn alias_at(&self, name: &DomainName, wire: &Name) -> Result<(Arc<Cut>, Reply), String> {
        let walk = &self.eyes(name).walk;
        let failed = match walk.home_with_answer(wire).await {
            Ok((cut, reply)) => match answer::of_authority(&reply.response, wire) {
                Answer::Failed(why) => why,
                Answer::Txt(_) | Answer::Cname(_) | Answer::File(_) => return Ok((cut, reply)),
            },
            Err(trouble) => trouble,
        };
        match walk.ask(wire, RecordType::CNAME).await {
            Ok((cut, reply)) if matches!(answer::of_authority(&reply.response, wire), Answer::Cname(_)) => {
                Ok((cut, reply))
            }
            Ok(_) | Err(_) => Err(failed),
        }
    }

    /// Whether a name beside this one, which nobody can have made, has the same alias.
    async fn comes_from_a_wildcard(&self, name: &DomainName, target: &DomainName) -> bool {
        let label = format!("_dcv-{}", random_label());
        let Some(sibling) = name.parent().and_then(|parent| parent.child(&label).ok()) else { return false };
        let Ok(wire) = wire_name(&sibling) else { return false };
        match self.eyes(&sibling).walk.ask(&wire, RecordType::TXT).await {
            Ok((_, reply)) => answer::of_authority(&reply.response, &wire) == Answer::Cname(target.clone()),
            Err(_) => false,
        }
    }
}

/// The registrable domain of `name` when the zone that denied the name lies above it.
fn unregistered(name: &DomainName, apex: &Name) -> Option<String> {
    let domain = psl::domain_str(name.as_str())?;
    let domain_name = Name::from_ascii(format!("{domain}.")).ok()?;
    (apex.zone_of(&domain_name) && *apex != domain_name).then(|| domain.to_owned())
}
