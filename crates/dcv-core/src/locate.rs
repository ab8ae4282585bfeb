//! Where a lookup leads, judged from what was seen at its owner name and from what the operator configured.
//!
//! Nothing is asked here: whoever asks brings what was seen. Whether a host lives by a wildcard takes several questions
//! and matters in one case only, so the judgement can be left open ([`Judgement::UnlessWildcard`]) until that is known.

use crate::{
    Artifact, Because, DomainName, Guarded, Held, Label, Location, Lookup, MethodSpec, NameError, Reason,
    RecordData, Site, Target, record::MAX_CHAIN,
};

/// What the operator configured about where things go.
pub trait Routing: Sync {
    /// The configured zone that serves a name: the longest suffix wins.
    fn zone(&self, name: &DomainName) -> Option<&DomainName>;

    /// Whether a file of a host can be put where its visitors find it.
    fn shows_files(&self, host: &DomainName) -> bool;

    /// Whether records may be written although a host then no longer lives by its wildcard.
    fn over_wildcards(&self) -> bool;
}

/// A lookup that is to be located, and what is wanted there.
#[derive(Clone, Copy, Debug)]
pub struct LocateRequest<'a> {
    /// Where the CA will look.
    pub lookup: &'a Lookup,
    /// What the method of its scope wants there.
    pub spec: &'a MethodSpec,
    /// What is, or may be, put up for the same subject.
    pub held: &'a [Held],
    /// The aliases of DigiCert's CNAME method lead below these names, whatever order they are for.
    pub cname_suffixes: &'a [DomainName],
}

/// What was seen of an owner name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnerSeen {
    /// How far its aliases lead.
    pub delegation: Delegation,
    /// No authority can be asked from here, so nothing that takes further questions can be known.
    pub blocked: bool,
    /// The zones that hold the owner name and the end of its aliases, as far as they are known.
    pub holders: Vec<(DomainName, Holder)>,
}

/// The zone that holds a name in DNS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its apex: the lowest one at or above the name to which its parents delegate.
    pub apex: DomainName,
    /// Its name servers.
    pub servers: Vec<String>,
}

impl Holder {
    /// Why a record at this name, written into this configured zone, would never be seen; `None` where it would be.
    #[must_use]
    pub fn contradicts(&self, name: &DomainName, zone: &DomainName) -> Option<Because> {
        let apex = &self.apex;
        if apex == zone {
            return None;
        }
        let servers = match self.servers.as_slice() {
            [] => String::new(),
            servers => format!(" (name servers {})", servers.join(", ")),
        };
        let detail = match apex.is_within(zone) {
            true => format!(
                "{name} lies in the zone {apex}{servers}, which is delegated away from the configured zone {zone}: a record written into {zone} would never be seen; add {apex} to a provider, or have {name} delegated by CNAME"
            ),
            false => format!(
                "DNS has {name} in the zone {apex}{servers}, which delegates nothing to the configured zone {zone}: a record written there would never be seen; have {zone} delegated, or add {apex} to a provider"
            ),
        };
        Some(Because::new(Reason::NoProvider, detail))
    }
}

/// How far the aliases from an owner name lead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delegation {
    /// The targets, in order.
    pub chain: Vec<DomainName>,
    /// The first alias comes from a wildcard: nobody put it at this very name.
    pub wildcard: bool,
    /// A DNAME record takes part.
    pub dname: bool,
    /// Why the chain ends badly.
    pub broken: Option<Broken>,
}

/// How a chain of aliases can end badly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// It comes back to itself.
    Circle,
    /// It is longer than may be followed.
    Long,
    /// Nobody answers for the last target.
    Unanswered(DomainName),
    /// The domain of the last target is not registered: somebody else could register it.
    Unregistered(DomainName),
}

/// What is known of where a lookup leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// All of it.
    Settled(Location),
    /// To this site, unless a host on the way from the domain up to the zone's apex lives by a wildcard: it would lose
    /// its address by the record (RFC 4592 section 2.2.1). [`Location::beside`] tells once that is known.
    UnlessWildcard(Site),
}

/// Judges where a lookup leads.
#[must_use]
pub fn locate(request: &LocateRequest<'_>, seen: &OwnerSeen, routing: &dyn Routing) -> Judgement {
    judge(request, seen, routing).unwrap_or_else(|because| Judgement::Settled(Location::Blocked(because)))
}

fn judge(request: &LocateRequest<'_>, seen: &OwnerSeen, routing: &dyn Routing) -> Result<Judgement, Because> {
    let lookup = request.lookup;
    let owner = lookup.name().map_err(|error| no_room(lookup, &error))?;
    if lookup.label == Label::File {
        return file(owner, routing).map(Judgement::Settled);
    }
    must_be_free(request, &owner, &seen.delegation)?;
    must_be_no_dname(lookup, &owner, &seen.delegation)?;
    let chain = followed(request, &owner, &seen.delegation, routing);
    must_lead_on(lookup, &owner, chain, seen.delegation.broken.as_ref())?;
    let zone = zone(&owner, chain, routing)?;
    must_be_held(chain.last().unwrap_or(&owner), zone, &seen.holders)?;
    let site = match chain {
        [] => Guarded::direct(lookup, zone.clone()),
        chain => Guarded::delegated(lookup, chain, zone.clone()),
    };
    let site = site.map_err(|error| Because::new(Reason::BadDelegation, error.to_string()))?;
    // Only a first record takes a wildcard from the names above it; one of ours that stands has done it already.
    let first = chain.is_empty() && !stands(request.held, |site, _| *site.owner() == owner);
    Ok(match first && !routing.over_wildcards() && !seen.blocked {
        true => Judgement::UnlessWildcard(site),
        false => Judgement::Settled(Location::At(Target::Record(site))),
    })
}

/// A domain of 245 octets and more leaves no room for the label.
fn no_room(lookup: &Lookup, error: &NameError) -> Because {
    let detail = format!(
        "{} is too long a name for a record below it ({error}); set owner = \"bare\" for its zone, or have the domain above it validated",
        lookup.domain
    );
    Because::new(Reason::NameTooLong, detail)
}

fn file(host: DomainName, routing: &dyn Routing) -> Result<Location, Because> {
    if routing.shows_files(&host) {
        return Ok(Location::At(Target::File(host)));
    }
    let detail = format!(
        "neither a document root nor the responder is configured for {host}; add it to [http], or change the DCV method to dns-txt-token"
    );
    Err(Because::new(Reason::NoProvider, detail))
}

/// An alias of DigiCert's CNAME method that is not ours stands at the name for another order, and a name has one.
fn must_be_free(
    request: &LocateRequest<'_>,
    owner: &DomainName,
    delegation: &Delegation,
) -> Result<(), Because> {
    let Some(alias) = delegation.chain.first().filter(|_| !delegation.wildcard) else { return Ok(()) };
    let proves = request.cname_suffixes.iter().any(|suffix| alias.is_within(suffix) && alias != suffix);
    // A server may have changed its capitals: it is ours all the same.
    let data = RecordData::Cname(alias.clone().into());
    if !proves || stands(request.held, |site, held| site.owner() == owner && held.is_same_in_dns(&data)) {
        return Ok(());
    }
    let detail =
        format!("{owner} is an alias to {alias} for another order's CNAME method; waiting until it has gone");
    Err(Because::new(Reason::NameTaken, detail))
}

/// The aliases that count.
fn followed<'a>(
    request: &LocateRequest<'_>,
    owner: &DomainName,
    delegation: &'a Delegation,
    routing: &dyn Routing,
) -> &'a [DomainName] {
    // A wildcard's alias gives way to a record at the name itself. That does no harm at a validation name, and takes the
    // service from a bare one.
    let gives_way =
        delegation.wildcard && routing.zone(owner).is_some() && request.lookup.label != Label::Bare;
    // A method that puts an alias at the name follows none, and replaces its own.
    if gives_way || request.spec.is_exclusive() { &[] } else { &delegation.chain }
}

fn must_lead_on(
    lookup: &Lookup,
    owner: &DomainName,
    chain: &[DomainName],
    broken: Option<&Broken>,
) -> Result<(), Because> {
    let Some(alias) = chain.first() else { return Ok(()) };
    if lookup.label == Label::Bare {
        let why = "no record can stand beside an alias; set owner = \"dnsauth\" for its zone";
        return Err(Because::new(Reason::ForeignCname, format!("{owner} is an alias for {alias}: {why}")));
    }
    match broken {
        Some(broken) => Err(Because::new(broken.reason(), broken.describe(owner))),
        None => Ok(()),
    }
}

/// DigiCert's own library refuses an answer that holds a DNAME record (digicert/domain-control-validation), and tries the bare
/// name. No record of the zone's own can stand below one (RFC 6672 section 2.4), so that a CNAME there is no way out.
fn must_be_no_dname(lookup: &Lookup, owner: &DomainName, delegation: &Delegation) -> Result<(), Because> {
    if !delegation.dname || lookup.label == Label::Bare {
        return Ok(());
    }
    let detail = format!(
        "a DNAME record takes part in the answer for {owner}, and DigiCert's own library refuses such an answer; set owner = \"bare\" for its zone where a TXT record can stand at {} itself, put CNAMEs in place of the DNAME, or have the domain above it validated",
        lookup.domain
    );
    Err(Because::new(Reason::BadDelegation, detail))
}

/// The zone in which the chain ends.
fn zone<'a>(
    owner: &DomainName,
    chain: &[DomainName],
    routing: &'a dyn Routing,
) -> Result<&'a DomainName, Because> {
    let end = chain.last().unwrap_or(owner);
    routing.zone(end).ok_or_else(|| match chain {
        [] => Because::new(
            Reason::NoProvider,
            format!(
                "no configured provider serves a zone of {owner}; add the zone to a provider, or delegate {owner} by CNAME into one"
            ),
        ),
        _ => Because::new(
            Reason::ForeignCname,
            format!(
                "{owner} is an alias for {end}, which lies in no configured zone; remove the CNAME, or configure a provider for that zone"
            ),
        ),
    })
}

/// What is configured has to be what DNS has: below a zone cut a record of the parent is hidden (RFC 1034 section 4.2.1).
fn must_be_held(
    name: &DomainName,
    zone: &DomainName,
    holders: &[(DomainName, Holder)],
) -> Result<(), Because> {
    let holder = holders.iter().find(|(held, _)| held == name);
    holder.and_then(|(_, holder)| holder.contradicts(name, zone)).map_or(Ok(()), Err)
}

fn stands(held: &[Held], is: impl Fn(&Site, &RecordData) -> bool) -> bool {
    held.iter().any(|held| match &held.artifact {
        Artifact::Record { site, data } => is(site, data),
        Artifact::File { .. } => false,
    })
}

impl Location {
    /// A site, unless there is a host that lives by a wildcard and would lose its address by a record there.
    #[must_use]
    pub fn beside(site: Site, wildcard_host: Option<&DomainName>) -> Self {
        let Some(host) = wildcard_host else { return Self::At(Target::Record(site)) };
        let owner = site.owner();
        let detail = format!(
            "{host} lives by a wildcard, and would lose its address while a record stands at {owner}; give it a record of its own, have the domain above it validated, or set records.over_wildcards = true"
        );
        Self::Blocked(Because::new(Reason::WildcardHost, detail))
    }
}

impl Broken {
    const fn reason(&self) -> Reason {
        match self {
            Self::Circle | Self::Long => Reason::BadDelegation,
            // Somebody else can come to hold what the alias leads to.
            Self::Unanswered(_) | Self::Unregistered(_) => Reason::ForeignCname,
        }
    }

    /// What is wrong with the chain from an owner name, and what to do.
    #[must_use]
    pub fn describe(&self, owner: &DomainName) -> String {
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
