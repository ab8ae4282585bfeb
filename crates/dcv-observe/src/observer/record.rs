//! Records: what each authority and, once all of them agree, each resolver says about an owner name.

use dcv_core::{
    Answer, DomainName, Lookup, NoAnswer, RecordData, Security, Sighting, Site, Vantage, VantageKind,
};
use futures_util::future::join_all;
use hickory_proto::{
    op::Query,
    rr::{Name, RecordType},
};
use jiff::{SignedDuration, Timestamp};

use super::{Observer, answer, view::View};
use crate::{
    Error,
    authority::{
        exchange::Reply,
        zone_cut::{Server, ZoneCut, wire_name},
    },
};

/// What a server showed within this span it need not show again while others lag.
const RECENT: SignedDuration = SignedDuration::from_secs(10);
/// A server that is not ours is not asked for a name again within this span.
const POLITE: SignedDuration = SignedDuration::from_millis(200);
/// From so many names on that are looked at, one question for a serial is less than one for each of them.
const SEVERAL: usize = 4;

/// What is known of a name from a moment ago.
#[derive(Default)]
struct Recent<'a> {
    /// Servers that showed what is wanted.
    showing: Vec<&'a Sighting>,
    /// Servers that did not.
    lacking: Vec<&'a Sighting>,
}

impl<'a> Recent<'a> {
    fn of(known: &'a [Sighting], data: &RecordData, now: Timestamp) -> Self {
        let since = now.saturating_sub(RECENT).unwrap_or(Timestamp::MIN);
        let recent = known.iter().filter(|sighting| sighting.at >= since);
        let shows = |sighting: &&Sighting| {
            sighting.answer.shows(data) && !matches!(sighting.security, Security::Bogus(_))
        };
        let (showing, lacking) = recent.partition(shows);
        Self { showing, lacking }
    }
}

impl Observer {
    /// What every server of the zone says about the name, each at every address.
    pub async fn authorities(&self, owner: &DomainName) -> Vec<Sighting> {
        self.authorities_but(owner, RecordType::TXT, &Recent::default()).await
    }

    /// The same, without asking those of which a moment ago's answer still tells.
    async fn authorities_but(
        &self,
        owner: &DomainName,
        kind: RecordType,
        recent: &Recent<'_>,
    ) -> Vec<Sighting> {
        let view = self.view(owner);
        let unknown = |error: &Error| {
            let vantage = Vantage { server: owner.to_string(), address: None, kind: VantageKind::Authority };
            vec![Sighting::new(vantage, self.now(), answer::failed(error))]
        };
        let wire = match wire_name(owner) {
            Ok(wire) => wire,
            Err(error) => return unknown(&error),
        };
        let cut = match view.walk.find_zone(&wire).await {
            Ok(cut) => cut,
            Err(error) => return unknown(&error),
        };
        let each = cut.servers.iter().map(|server| async {
            let vantage = vantage(server);
            let of_it = |sightings: &[&Sighting]| {
                sightings
                    .iter()
                    .find(|sighting| sighting.vantage == vantage)
                    .map(|&sighting| sighting.clone())
            };
            if let Some(shown) = of_it(&recent.showing) {
                return shown;
            }
            if let Some(lacking) = of_it(&recent.lacking)
                && self.is_still_so(&lacking, owner, &cut, server, recent).await
            {
                return lacking;
            }
            let (sighting, reply) = self.see(view, &cut, server, &wire, kind).await;
            if let Some(reply) = reply {
                self.inner.serials.note_denial(owner, server.address, &reply.response);
            }
            sighting
        });
        let mut seen = join_all(each).await;
        seen.extend(unresolved(&cut, self.now()));
        seen
    }

    /// Whether a server that did not show what is wanted need not be asked again yet.
    async fn is_still_so(
        &self,
        lacking: &Sighting,
        owner: &DomainName,
        cut: &ZoneCut,
        server: &Server,
        recent: &Recent<'_>,
    ) -> bool {
        if !self.inner.exchange.is_own(server.address) {
            return self.now().duration_since(lacking.at) < POLITE;
        }
        self.names_under_way() > SEVERAL && self.still_denies(owner, cut, server, &recent.showing).await
    }

    pub(super) async fn look_at_record(
        &self,
        lookup: &Lookup,
        site: &Site,
        data: &RecordData,
        known: &[Sighting],
    ) -> Vec<Sighting> {
        let recent = Recent::of(known, data, self.now());
        let kind = record_type(data);
        let mut seen = self.authorities_but(site.owner(), kind, &recent).await;
        let owner = lookup.name().unwrap_or_else(|_| site.owner().clone());
        if owner != *site.owner() {
            distrust(&mut seen, &self.trust(&owner, site.owner()).await);
            seen.extend(self.without_alias(&owner).await);
        }
        let everywhere = seen.iter().all(|sighting| sighting.answer.shows(data));
        // Where no authority can be asked the resolvers are all there is: better a late answer than none.
        let nobody = self.blocked() && seen.iter().all(|s| matches!(s.answer, Answer::Failed(_)));
        if everywhere || nobody && !self.view(&owner).resolvers.is_empty() {
            let asked = self.look_at_resolvers(&owner, kind).await;
            if nobody {
                seen = asked;
            } else {
                seen.extend(asked);
            }
        }
        seen
    }

    /// Authorities of a delegated name that do not show the alias: for whoever asks them the record is not there.
    pub(super) async fn without_alias(&self, owner: &DomainName) -> Vec<Sighting> {
        if self.inner.aliased.get(owner).is_some() {
            return Vec::new();
        }
        let mut seen = self.authorities(owner).await;
        seen.retain(|sighting| !matches!(sighting.answer, Answer::Cname(_)));
        if seen.is_empty() {
            self.inner.aliased.keep(owner.clone(), ());
        }
        seen
    }

    /// What one server says about a name, judged; with the answer itself, where one came.
    pub(super) async fn see(
        &self,
        view: &View,
        cut: &ZoneCut,
        server: &Server,
        name: &Name,
        kind: RecordType,
    ) -> (Sighting, Option<Reply>) {
        let reply = match self.inner.exchange.ask(server.address, name, kind).await {
            Ok(reply) => reply,
            Err(error) => {
                let answer = answer::failed(&error);
                return (Sighting::new(vantage(server), self.now(), answer), None);
            }
        };
        let answer = answer::of_authority(&reply.response, name);
        let mut sighting = Sighting::new(vantage(server), self.now(), answer);
        if let Some(validator) = &view.validator
            && !matches!(sighting.answer, Answer::Failed(_))
        {
            let query = Query::query(name.clone(), kind);
            sighting.security = validator.judge(&cut.apex, &query, &reply.response).await;
        }
        (sighting, Some(reply))
    }

    pub(crate) async fn look_at_resolvers(&self, owner: &DomainName, kind: RecordType) -> Vec<Sighting> {
        let Ok(wire) = wire_name(owner) else { return Vec::new() };
        let each = self.view(owner).resolvers.iter().map(|resolver| async {
            let answer = resolver.ask(&wire, kind).await;
            let now = self.now();
            let vantage = Vantage {
                server: resolver.name.clone(),
                address: resolver.address,
                kind: VantageKind::Resolver,
            };
            match answer {
                Ok(resolved) => {
                    let mut sighting =
                        Sighting::new(vantage, now, answer::of_resolver(&resolved.records, &wire));
                    let ttl = resolved.denied_for.and_then(|ttl| SignedDuration::try_from(ttl).ok());
                    let after = |ttl| now.checked_add(ttl).ok();
                    sighting.denied_until = ttl.and_then(after);
                    let ttl = resolved.records.iter().map(|record| record.ttl).min();
                    sighting.held_until = ttl.and_then(|ttl| after(SignedDuration::from_secs(ttl.into())));
                    sighting
                }
                Err(error) => Sighting::new(vantage, now, answer::failed(&error)),
            }
        });
        join_all(each).await
    }
}

/// Name servers without an address: for whoever asks them there is no answer.
pub(super) fn unresolved(cut: &ZoneCut, now: Timestamp) -> impl Iterator<Item = Sighting> {
    cut.unresolved.iter().map(move |(server, why)| {
        let vantage = Vantage { server: server.clone(), address: None, kind: VantageKind::Authority };
        let why = format!("its address cannot be found: {why}");
        Sighting::new(vantage, now, Answer::Failed(NoAnswer::other(why)))
    })
}

/// A break on the way to the record is a break of every answer about it.
fn distrust(seen: &mut [Sighting], aliases: &Security) {
    if matches!(aliases, Security::Bogus(_)) {
        for sighting in seen {
            sighting.security = aliases.clone();
        }
    }
}

fn record_type(data: &RecordData) -> RecordType {
    match data {
        RecordData::Txt(_) => RecordType::TXT,
        RecordData::Cname(_) => RecordType::CNAME,
    }
}

fn vantage(server: &Server) -> Vantage {
    Vantage { server: server.name.clone(), address: Some(server.address), kind: VantageKind::Authority }
}
