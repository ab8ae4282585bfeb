//! Everything that can be seen of one scope, for a person: every server, the delegation, the usual mistakes, CAA.

use dcv_core::{
    Answer, Broken, CertName, Delegation, DelegationSeen, DomainName, Elsewhere, Lookup, MethodSpec,
    Misplaced, Path, Security, ServerSeen, Sighting, Survey, ZoneSeen, dnsauth_owner,
};
use futures_util::future::join_all;
use hickory_proto::{
    op::DnsResponse,
    rr::{Name, RData, Record, RecordType},
};

use super::{Observer, answer, record::unresolved};
use crate::authority::{
    bogus::signed_until,
    zone_cut::{Server, ZoneCut, host, name_servers_in, wire_name},
};

impl Observer {
    /// Surveys one lookup in DNS for what a method wants there; `names` are those of the certificate that it covers. Resolvers
    /// are asked about the owner name only where every authority shows something there.
    pub async fn survey(&self, lookup: &Lookup, names: &[CertName], spec: &MethodSpec) -> Survey {
        let scope = &lookup.domain;
        let owner = lookup.name().unwrap_or_else(|_| scope.clone());
        let mut survey = nothing(scope, &owner);
        // An alias at the name is what such a method wants, and leads nowhere that matters.
        let (kind, followed) = match spec.is_exclusive() {
            true => (RecordType::CNAME, Ok(Delegation::default())),
            false => (RecordType::TXT, self.delegation(&owner).await),
        };
        let delegation = followed.unwrap_or_else(|error| {
            survey.trouble = Some(error.describe());
            Delegation::default()
        });
        let end = delegation.chain.last().unwrap_or(&owner).clone();
        survey.delegation = describe(&owner, delegation);
        if self.blocked() {
            survey.path = Path::Resolvers;
            survey.resolvers = self.look_at_resolvers(&owner, kind).await;
            return survey;
        }
        self.survey_zone(&mut survey, &end, kind).await;
        if everywhere(&survey) && (end == owner || self.without_alias(&owner).await.is_empty()) {
            survey.resolvers = self.look_at_resolvers(&owner, kind).await;
        }
        survey.caa = self.caa(names).await;
        survey
    }

    /// The zone in which the aliases end, and what stands at other names of it.
    async fn survey_zone(&self, survey: &mut Survey, end: &DomainName, kind: RecordType) {
        let cut = match wire_name(end) {
            Ok(wire) => self.view(end).walk.find_zone(&wire).await.map(|cut| (cut, wire)),
            Err(error) => Err(error),
        };
        let (cut, wire) = match cut {
            Ok(found) => found,
            Err(error) => {
                survey.trouble.get_or_insert_with(|| error.describe());
                return;
            }
        };
        let mut zone = self.zone(&cut, &wire, end, kind).await;
        if let broken @ Security::Bogus(_) = self.trust(&survey.owner, end).await {
            zone.servers.iter_mut().for_each(|server| server.sighting.security = broken.clone());
        }
        survey.zone = Some(zone);
        // Texts elsewhere say nothing of an order that wants an alias.
        if kind == RecordType::TXT {
            survey.elsewhere = self.elsewhere(&survey.scope, &cut).await;
        }
        survey.resolver_view = self.resolver_view(&cut, end).await;
    }

    async fn zone(&self, cut: &ZoneCut, owner: &Name, end: &DomainName, kind: RecordType) -> ZoneSeen {
        let each = cut.servers.iter().map(|server| self.server(cut, server, owner, end, kind));
        let mut negative_ttl = None;
        let mut servers = Vec::new();
        let mut apex = None;
        for (seen, soa) in join_all(each).await {
            if let Some(Soa { name, ttl, .. }) = soa {
                negative_ttl = negative_ttl.or(Some(ttl));
                apex = apex.or(Some(name));
            }
            servers.push(seen);
        }
        servers.extend(unresolved(cut, self.now()).map(without_answer));
        let apex = apex.unwrap_or_else(|| cut.apex.clone());
        ZoneSeen {
            apex: apex.to_ascii().parse().unwrap_or_else(|_| end.clone()),
            pinned: cut.pinned,
            at_parent: cut.at_parent.iter().cloned().collect(),
            at_child: cut.at_child.iter().cloned().collect(),
            servers,
            skipped: cut.skipped.clone(),
            negative_ttl,
        }
    }

    async fn server(
        &self,
        cut: &ZoneCut,
        server: &Server,
        owner: &Name,
        end: &DomainName,
        kind: RecordType,
    ) -> (ServerSeen, Option<Soa>) {
        let (sighting, reply) = self.see(self.view(end), cut, server, owner, kind).await;
        let Some(reply) = reply else { return (without_answer(sighting), None) };
        // A denial brings the SOA record along; beside an answer it is asked for.
        let mut soa = soa(&reply.response);
        if soa.is_none() && !matches!(sighting.answer, Answer::Failed(_)) {
            let asked = self.inner.exchange.ask(server.address, &cut.apex, RecordType::SOA).await;
            soa = asked.ok().and_then(|reply| self::soa(&reply.response));
        }
        let seen = ServerSeen {
            sighting,
            serial: soa.as_ref().map(|soa| soa.serial),
            took_ms: u64::try_from(reply.took.as_millis()).ok(),
            transport: Some(reply.transport),
            without_edns: reply.without_edns,
            signed_until: signed_until(&reply.response),
        };
        (seen, soa)
    }

    /// Names at which people put the record by mistake, asked of one server of the zone.
    async fn elsewhere(&self, scope: &DomainName, cut: &ZoneCut) -> Vec<Elsewhere> {
        let apex: Option<DomainName> = cut.apex.to_ascii().parse().ok();
        let owner = dnsauth_owner(scope).ok();
        let doubled =
            owner.zip(apex.clone()).and_then(|(owner, apex)| format!("{owner}.{apex}").parse().ok());
        let higher = scope
            .parent()
            .filter(|parent| apex.as_ref().is_some_and(|apex| parent.is_within(apex)))
            .and_then(|parent| dnsauth_owner(&parent).ok());
        let lower = scope.child("www").ok().and_then(|www| dnsauth_owner(&www).ok());
        let places = [
            (Misplaced::Bare, Some(scope.clone())),
            (Misplaced::Doubled, doubled),
            (Misplaced::Higher, higher),
            (Misplaced::Lower, lower),
        ];
        let each = places.into_iter().filter_map(|(place, name)| Some((place, name?))).map(
            |(place, name)| async move {
                let wire = wire_name(&name).ok()?;
                let (_, reply) = self.view(&name).walk.ask(&wire, RecordType::TXT).await.ok()?;
                match answer::of_authority(&reply.response, &wire) {
                    Answer::Txt(texts) if !texts.is_empty() => Some(Elsewhere { place, name, texts }),
                    Answer::Txt(_) | Answer::Cname(_) | Answer::File(_) | Answer::Failed(_) => None,
                }
            },
        );
        join_all(each).await.into_iter().flatten().collect()
    }

    /// The zone's name servers as the configured resolvers see them. The zone exists, so nothing is denied.
    async fn resolver_view(&self, cut: &ZoneCut, end: &DomainName) -> Option<Vec<String>> {
        let resolver = self.view(end).resolvers.first()?;
        let resolved = resolver.ask(&cut.apex, RecordType::NS).await.ok()?;
        Some(name_servers_in(&resolved.records, &cut.apex).iter().map(host).collect())
    }
}

/// A survey before anybody was asked.
fn nothing(scope: &DomainName, owner: &DomainName) -> Survey {
    Survey {
        scope: scope.clone(),
        owner: owner.clone(),
        path: Path::Authorities,
        delegation: DelegationSeen::default(),
        zone: None,
        trouble: None,
        resolvers: Vec::new(),
        elsewhere: Vec::new(),
        caa: Vec::new(),
        resolver_view: None,
    }
}

/// Whether every server shows something at the owner name.
fn everywhere(survey: &Survey) -> bool {
    let mut servers = survey.zone.iter().flat_map(|zone| &zone.servers).peekable();
    let there = |seen: &ServerSeen| matches!(&seen.sighting.answer, Answer::Txt(texts) if !texts.is_empty());
    servers.peek().is_some() && servers.all(there)
}

/// What a start-of-authority record says.
struct Soa {
    name: Name,
    serial: u32,
    /// How long a denial is kept: the lesser of the record's own life and its minimum (RFC 2308 section 5).
    ttl: u32,
}

fn soa(response: &DnsResponse) -> Option<Soa> {
    let records = response.answers.iter().chain(&response.authorities);
    records.into_iter().find_map(|record: &Record| match &record.data {
        RData::SOA(soa) => {
            Some(Soa { name: record.name.clone(), serial: soa.serial, ttl: record.ttl.min(soa.minimum) })
        }
        _ => None,
    })
}

/// A server that brought no answer.
fn without_answer(sighting: Sighting) -> ServerSeen {
    ServerSeen {
        sighting,
        serial: None,
        took_ms: None,
        transport: None,
        without_edns: false,
        signed_until: None,
    }
}

fn describe(owner: &DomainName, delegation: Delegation) -> DelegationSeen {
    let Delegation { chain, wildcard, dname, broken } = delegation;
    DelegationSeen {
        chain,
        wildcard,
        dname,
        unregistered: matches!(broken, Some(Broken::Unregistered(_))),
        broken: broken.map(|broken| broken.describe(owner)),
    }
}
