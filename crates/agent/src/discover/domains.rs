//! Finding the domains of an account whose proofs are to be renewed: the list every hour, and in between the dates that it
//! told.

use std::{
    collections::{BTreeMap, HashMap},
    iter,
    sync::Arc,
    time::Duration,
};

use dcv_core::{Because, CertName, DomainFacts, DomainName, Facts, Kind, Method, Reason, Renewal};
use digicert_api::{Class, DomainFilter, DomainSummary, Error};
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use tracing::{debug, info};

use super::{Found, Listed, RETRY, SOON, Watch};
use crate::{
    ca::{Account, valid_until},
    clock,
    config::Domains,
    subject::{Subject, Trigger},
};

/// Reads the list of an account's domains.
///
/// # Errors
/// As the call does.
pub async fn list(
    name: &str,
    account: &Account,
    domains: &Domains,
) -> Result<Vec<Found<Option<CertName>>>, Error> {
    let found = account.client.with_deadline(Instant::now() + SOON).domains(&DomainFilter::default()).await?;
    let found = found.into_iter().map(|domain| Found {
        subject: Subject::domain(name, domain.id.get()),
        listed: DomainName::scope(&domain.name).ok().map(|name| CertName { name, wildcard: false }),
        facts: consider(&domain, domains, clock::now()),
    });
    Ok(found.collect())
}

/// What to begin a domain with. The list does not tell everything, so the domain is read before anything is done for it.
fn consider(domain: &DomainSummary, domains: &Domains, now: Timestamp) -> Result<Facts, String> {
    let name = DomainName::scope(&domain.name).map_err(|error| error.to_string())?;
    domains.patterns.admit(&[CertName { name: name.clone(), wildcard: false }])?;
    if domain.active == Some(false) {
        return Err("the domain is deactivated in CertCentral".to_owned());
    }
    let facts = DomainFacts {
        at: None,
        name,
        active: true,
        pending: domain.pending.unwrap_or(false),
        method: domain.method.as_ref().map(|method| Method::from(method.as_str())),
        kinds: domain.validations.iter().map(|validation| validation.kind.clone()).collect(),
        approved: domain.approved,
        valid_until: valid_until(&domain.expiry, &domain.validations),
        seen: now,
    };
    Ok(Facts {
        seed: domain.id.get(),
        kind: Kind::Domain,
        discovered: true,
        switch_to: domains.switch_method.clone(),
        domain: Some(Box::new(facts)),
        ..Facts::default()
    })
}

impl Watch {
    /// Reads the list once.
    pub(super) async fn domains_once(self) -> Listed {
        let Some((account, domains)) = self.looked_after() else { return Listed::Read };
        let mut waiting = Waiting::default();
        let mut failures = 0;
        while !self.read_domains(&account, &domains, &mut waiting).await {
            if waiting.forbidden {
                return Listed::Refused;
            }
            if let Some(end) = self.patience(&account, &mut failures).await {
                return end;
            }
        }
        self.start_due(&mut waiting, clock::now()).await;
        Listed::Read
    }

    /// Reads the list, and takes up each domain when it is due.
    pub(super) async fn domains(self) {
        let Some((account, domains)) = self.looked_after() else { return };
        let mut waiting = Waiting::default();
        let mut failures = 0;
        let mut list_at = Instant::now();
        loop {
            if Instant::now() >= list_at {
                let went_well = self.read_domains(&account, &domains, &mut waiting).await;
                failures = if went_well { 0 } else { failures + 1 };
                let wait = if went_well { domains.every } else { RETRY.after(failures, 0).unsigned_abs() };
                list_at = Instant::now() + wait;
            }
            let now = clock::now();
            self.start_due(&mut waiting, now).await;
            let next = waiting
                .next_due()
                .map_or(Duration::MAX, |due| Duration::try_from(due.duration_since(now)).unwrap_or_default());
            let wait = next.min(list_at.saturating_duration_since(Instant::now()));
            // At least a little, so that clocks that step never make a loop that only spins.
            if !self.pause(wait.max(Duration::from_millis(50))).await {
                return;
            }
        }
    }

    fn looked_after(&self) -> Option<(Arc<Account>, Domains)> {
        let account = self.context.accounts.get(&self.name)?;
        let domains = self.context.config.accounts.get(&self.name)?.domains.clone()?;
        Some((Arc::clone(account), domains))
    }

    async fn read_domains(&self, account: &Account, domains: &Domains, waiting: &mut Waiting) -> bool {
        if account.held(clock::now()).is_some() {
            return false;
        }
        let found = match list(&self.name, account, domains).await {
            Ok(found) => without_covered(found, &self.context.policy(&self.name).renewal, clock::now()),
            Err(error) => {
                waiting.forbidden = error.class() == Class::MissingPermission;
                return self.failed(account, &error, Kind::Domain);
            }
        };
        // A list that was under way when the round ended would speak of former patterns.
        if self.stop.is_cancelled() {
            return false;
        }
        account.release();
        let total = found.len();
        let renewal = self.context.policy(&self.name).renewal;
        let names: Vec<CertName> = found.iter().filter_map(|found| found.listed.clone()).collect();
        let patterns_judged = waiting.patterns_judged || self.tell_idle("domains", &domains.patterns, &names);
        self.settle(Kind::Domain, &found);
        let mut listed =
            Waiting { patterns_judged, taken: std::mem::take(&mut waiting.taken), ..Waiting::default() };
        for Found { subject, facts, .. } in found {
            match facts {
                Ok(facts) => listed.add(subject, facts, &renewal, waiting),
                Err(why) => {
                    self.board.forget(&subject);
                    self.leave(subject, why).await;
                }
            }
        }
        // What is no longer in the list is nobody's to renew, and nobody's to look at.
        for subject in waiting.seen.keys().filter(|subject| !listed.seen.contains_key(subject)) {
            self.trigger(subject.clone(), Trigger::Release).await;
            self.board.forget(subject);
        }
        let now = clock::now();
        let resting: Vec<_> = listed.resting(now).collect();
        for (subject, due, facts) in &resting {
            self.board.keep(subject, facts, valid(facts, *due), *due, now);
        }
        self.tell_domains(total, &mut listed, waiting, now);
        *waiting = listed;
        self.hand_out().await
    }

    /// Says what the list came to, unless it came to the same before: it is read every hour.
    fn tell_domains(&self, total: usize, listed: &mut Waiting, before: &Waiting, now: Timestamp) {
        let (name, taken, due) = (&self.name, listed.seen.len(), listed.due(now));
        listed.told = Some((total, taken, due));
        if listed.told == before.told {
            debug!(account = %name, domains = total, taken, due, "account {name}: read the list of domains, which is as it was");
        } else {
            info!(account = %name, domains = total, taken, due, "account {name}: read the list of domains, {taken} of {total} are kept valid, {due} of them are due");
        }
    }

    async fn start_due(&self, waiting: &mut Waiting, now: Timestamp) {
        let floor = self.context.policy(&self.name).renewal.floor;
        while let Some((subject, facts)) = waiting.pop_due(now, floor) {
            self.work(subject, facts).await;
        }
        self.hand_out().await;
    }
}

/// Leaves alone what needs no proof of its own, since a higher domain of the list has one that is not soon to be renewed
/// (DigiCert, domain info: `higher_level_domains`), and of every kind that is needed. A proof that is under way is gone on with.
fn without_covered(
    mut found: Vec<Found<Option<CertName>>>,
    renewal: &Renewal,
    now: Timestamp,
) -> Vec<Found<Option<CertName>>> {
    let proven = |found: &Found<Option<CertName>>| {
        let facts = found.facts.as_ref().ok()?;
        let domain = facts.domain.as_ref()?;
        let lasts = !domain.pending && domain.due(renewal, facts.seed) > now;
        (lasts && !is_by_file(domain)).then(|| (domain.name.clone(), DomainFacts::clone(domain)))
    };
    let proven: HashMap<DomainName, DomainFacts> = found.iter().filter_map(proven).collect();
    for Found { facts, .. } in &mut found {
        let Some(domain) = facts.as_ref().ok().and_then(|facts| facts.domain.as_ref()) else { continue };
        if domain.pending || domain.valid_until.is_some_and(|end| end > now) {
            continue;
        }
        let mut above = iter::successors(domain.name.parent(), DomainName::parent);
        let covering = above.find_map(|name| proven.get(&name).filter(|above| has_kinds_of(above, domain)));
        if let Some(DomainFacts { name, valid_until, .. }) = covering {
            let until = valid_until.map_or_else(String::new, |end| format!(" until {end:.0}"));
            *facts = Err(format!("{name} above it is proven{until}, which counts for it as well"));
        }
    }
    found
}

/// A file proves its own name only (TLS BR 3.2.2.4.18).
fn is_by_file(domain: &DomainFacts) -> bool {
    domain.method.as_ref().is_some_and(|method| method.as_str().starts_with(Method::Http.as_str()))
}

/// Whether what is proven above is proven for every kind of order that the domain takes part in, as far as that is told.
fn has_kinds_of(above: &DomainFacts, domain: &DomainFacts) -> bool {
    let has = |kind: &String| above.kinds.iter().any(|known| known.eq_ignore_ascii_case(kind));
    above.kinds.is_empty() || domain.kinds.iter().all(has)
}

/// Why a domain rests, and until when.
fn valid(facts: &Facts, due: Timestamp) -> Because {
    let sentence = facts.domain.as_ref().map_or_else(String::new, |domain| domain.sentence(due));
    Because::new(Reason::Validated, sentence)
}

/// Domains that wait until they are due.
#[derive(Default)]
struct Waiting {
    by_due: BTreeMap<(Timestamp, Subject), Facts>,
    /// Every domain of the list, with the end of its proof and when that was seen first.
    seen: HashMap<Subject, (Option<Timestamp>, Timestamp)>,
    /// What was taken up, when, and with which end of its proof: where the CA goes on showing a past one, a domain is not
    /// renewed at the pace of the list.
    taken: HashMap<Subject, (Timestamp, Option<Timestamp>)>,
    /// It was said which patterns match nothing.
    patterns_judged: bool,
    /// How many domains there were, were taken up, and were due, as it was said last.
    told: Option<(usize, usize, usize)>,
    /// The key may not read domains.
    forbidden: bool,
}

impl Waiting {
    /// Adds a domain of the list; `before` knows when its date was seen first.
    fn add(&mut self, subject: Subject, mut facts: Facts, renewal: &Renewal, before: &Self) {
        let Some(domain) = &mut facts.domain else { return };
        if let Some(&(end, seen)) = before.seen.get(&subject)
            && end == domain.valid_until
        {
            domain.seen = seen;
        }
        self.seen.insert(subject.clone(), (domain.valid_until, domain.seen));
        let due = if domain.pending { Timestamp::MIN } else { domain.due(renewal, facts.seed) };
        self.by_due.insert((due, subject), facts);
    }

    fn resting(&self, now: Timestamp) -> impl Iterator<Item = (&Subject, Timestamp, &Facts)> {
        let resting = self.by_due.iter().filter(move |((due, _), _)| *due > now);
        resting.map(|((due, subject), facts)| (subject, *due, facts))
    }

    fn due(&self, now: Timestamp) -> usize {
        self.by_due.len() - self.resting(now).count()
    }

    fn next_due(&self) -> Option<Timestamp> {
        self.by_due.keys().next().map(|(due, _)| *due)
    }

    /// The next domain that is due, unless it was taken up with the same dates less than `floor` ago.
    fn pop_due(&mut self, now: Timestamp, floor: SignedDuration) -> Option<(Subject, Facts)> {
        loop {
            let entry = self.by_due.first_entry().filter(|entry| entry.key().0 <= now)?;
            let ((_, subject), facts) = entry.remove_entry();
            let end = facts.domain.as_ref().and_then(|domain| domain.valid_until);
            if let Some(&(at, before)) = self.taken.get(&subject)
                && before == end
                && let Ok(again) = at.checked_add(floor)
                && again > now
            {
                self.by_due.insert((again, subject), facts);
                continue;
            }
            self.taken.insert(subject.clone(), (now, end));
            return Some((subject, facts));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);
    const FLOOR: SignedDuration = SignedDuration::from_hours(1);

    fn facts(number: u64, valid_until: Option<Timestamp>, seen: Timestamp) -> Facts {
        let domain = DomainFacts {
            at: None,
            name: format!("d{number}.example").parse().unwrap(),
            active: true,
            pending: false,
            method: None,
            kinds: Vec::new(),
            approved: None,
            valid_until,
            seen,
        };
        Facts { seed: number, kind: Kind::Domain, domain: Some(Box::new(domain)), ..Facts::default() }
    }

    /// A domain whose CA tells no beginning: its period begins when its end was seen first, however often the list is
    /// read again, so that the renewal comes nearer.
    #[test]
    fn reading_the_list_again_does_not_put_a_renewal_off() {
        let renewal = Renewal::default();
        let (end, subject) = (NOW + SignedDuration::from_hours(240), Subject::domain("main", 1));
        let mut waiting = Waiting::default();
        let mut dues = Vec::new();
        for hour in 0..200 {
            let seen = NOW + SignedDuration::from_hours(hour);
            let mut listed = Waiting::default();
            listed.add(subject.clone(), facts(1, Some(end), seen), &renewal, &waiting);
            dues.push(listed.next_due().unwrap());
            waiting = listed;
        }
        dues.dedup();
        assert_eq!(dues.len(), 1);
        assert!(dues[0] < end);
        let renewed = end + SignedDuration::from_hours(240);
        let mut listed = Waiting::default();
        listed.add(subject, facts(1, Some(renewed), end), &renewal, &waiting);
        assert!(listed.next_due().unwrap() > end, "another end is another period");
    }

    #[test]
    fn domains_are_taken_up_when_they_are_due_and_not_before() {
        let renewal = Renewal::default();
        let mut waiting = Waiting::default();
        let before = Waiting::default();
        for number in 0..10u64 {
            let end = (number > 0).then(|| NOW + SignedDuration::from_hours(24 * number.cast_signed()));
            waiting.add(Subject::domain("main", number), facts(number, end, NOW), &renewal, &before);
        }
        assert_eq!(waiting.due(NOW), 1, "the one without a proof");
        assert_eq!(waiting.pop_due(NOW, FLOOR).unwrap().0, Subject::domain("main", 0));
        assert_eq!(waiting.pop_due(NOW, FLOOR), None);
        let later = NOW + SignedDuration::from_hours(24 * 5);
        let due: Vec<_> =
            iter::from_fn(|| waiting.pop_due(later, FLOOR)).map(|(subject, _)| subject).collect();
        assert!(due.len() >= 5 && waiting.resting(later).count() + due.len() == 9, "{due:?}");
    }

    /// What is proven by DNS above a domain counts for it, and what is proven by a file, for other kinds of orders, or not for
    /// much longer does not.
    #[test]
    fn only_a_proof_that_counts_below_covers() {
        let covered = |method: &str, kinds: &[&str], hours: i64| {
            let of = |number, name: &str, end, method: &str, kinds: &[&str]| {
                let mut facts = facts(number, end, NOW - SignedDuration::from_hours(1000));
                let domain = facts.domain.as_mut().unwrap();
                domain.name = name.parse().unwrap();
                domain.method = Some(Method::from(method));
                domain.kinds = kinds.iter().map(|kind| (*kind).to_owned()).collect();
                Found { subject: Subject::domain("main", number), listed: None, facts: Ok(facts) }
            };
            let end = NOW + SignedDuration::from_hours(hours);
            let found = vec![
                of(1, "d.example", Some(end), method, kinds),
                of(2, "www.sub.d.example", None, "dns-txt-token", &["ov"]),
            ];
            let found = without_covered(found, &Renewal::default(), NOW);
            assert!(found[0].facts.is_ok());
            found[1].facts.is_err()
        };
        assert!(covered("dns-txt-token", &["OV", "ev"], 8000));
        assert!(covered("email", &[], 8000));
        assert!(!covered("http-token", &["ov"], 8000));
        assert!(!covered("http-token-static", &["ov"], 8000));
        assert!(!covered("dns-txt-token", &["ev"], 8000));
        assert!(!covered("dns-txt-token", &["ov"], 1));
    }

    /// A CA that goes on showing an end that is past does not have the domain renewed at every reading of the list; one that
    /// shows another end does.
    #[test]
    fn a_past_end_that_stays_is_not_acted_upon_again_and_again() {
        let (renewal, subject) = (Renewal::default(), Subject::domain("main", 1));
        let past = Some(NOW - SignedDuration::from_hours(5));
        let mut waiting = Waiting::default();
        let mut taken = 0;
        for minute in 0..180 {
            let now = NOW + SignedDuration::from_mins(minute);
            let mut listed = Waiting { taken: std::mem::take(&mut waiting.taken), ..Waiting::default() };
            listed.add(subject.clone(), facts(1, past, NOW), &renewal, &waiting);
            taken += usize::from(listed.pop_due(now, FLOOR).is_some());
            waiting = listed;
        }
        assert_eq!(taken, 3, "once an hour");
        let another = Some(NOW - SignedDuration::from_hours(4));
        waiting.add(subject, facts(1, another, NOW), &renewal, &Waiting::default());
        assert!(waiting.pop_due(NOW + SignedDuration::from_mins(180), FLOOR).is_some());
    }
}
