//! A domain of an account: its value, its proof, and how long the proof may be used.

use jiff::Timestamp;
use serde::Deserialize;

use super::{
    config::ApiKey,
    profile::Profile,
    random::Random,
    schedule::Schedule,
    scope,
    switches::ExpirationDate,
    values::{Value, Values},
};
use crate::clock;

/// A domain to place in an account.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DomainSpec {
    pub(super) name: String,
    #[serde(default = "DomainSpec::default_method")]
    pub(super) method: String,
    #[serde(default = "DomainSpec::default_kinds")]
    pub(super) kinds: Vec<String>,
    #[serde(default)]
    pub(super) validated: bool,
    #[serde(default)]
    pub(super) id: Option<u64>,
    #[serde(default = "ApiKey::default_account")]
    pub(super) account: u64,
}

impl DomainSpec {
    /// A domain submitted for OV and EV, to be proven by TXT; nothing is proven yet.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            method: Self::default_method(),
            kinds: Self::default_kinds(),
            validated: false,
            id: None,
            account: ApiKey::ACCOUNT,
        }
    }

    /// Chooses the DCV method, such as `dns-cname-token` or `email`.
    #[must_use]
    pub fn method(self, method: impl Into<String>) -> Self {
        Self { method: method.into(), ..self }
    }

    /// Chooses the kinds of validation instead of `ov` and `ev`.
    #[must_use]
    pub fn kinds(self, kinds: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { kinds: kinds.into_iter().map(Into::into).collect(), ..self }
    }

    /// Begins as proven just now, with nothing pending.
    #[must_use]
    pub fn validated(self) -> Self {
        Self { validated: true, ..self }
    }

    /// Chooses the domain's id; a domain that has it is replaced.
    #[must_use]
    pub fn id(self, id: u64) -> Self {
        Self { id: Some(id), ..self }
    }

    /// Chooses the account.
    #[must_use]
    pub fn account(self, account: u64) -> Self {
        Self { account, ..self }
    }

    fn default_method() -> String {
        "dns-txt-token".to_owned()
    }

    pub(super) fn default_kinds() -> Vec<String> {
        ["ov", "ev"].map(str::to_owned).into()
    }
}

/// How a domain stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DomainState {
    /// Its name.
    pub name: String,
    /// How control is proven.
    pub method: String,
    /// False once it is put aside.
    pub active: bool,
    /// Whether a proof is outstanding, be it the first or a renewal.
    pub pending: bool,
    /// Its random value, expired or not; none if the method works without.
    pub value: Option<String>,
    /// When that value expires.
    pub value_expires: Option<Timestamp>,
    /// When control was proven last.
    pub approved: Option<Timestamp>,
    /// Until when that proof may be used, or could.
    pub expires: Option<Timestamp>,
}

impl DomainState {
    pub(super) fn of(domain: &Domain) -> Self {
        let value = domain.value();
        Self {
            name: domain.name.clone(),
            method: domain.method.clone(),
            active: domain.active,
            pending: domain.pending,
            value: value.map(|value| value.text.clone()),
            value_expires: value.map(|value| value.expires),
            approved: domain.approved,
            expires: domain.expires,
        }
    }
}

/// A domain in the simulator's books.
#[derive(Clone, Debug)]
pub(super) struct Domain {
    pub(super) id: u64,
    pub(super) account: u64,
    pub(super) name: String,
    pub(super) method: String,
    pub(super) kinds: Vec<String>,
    pub(super) active: bool,
    /// Whether a proof is outstanding, be it the first or a renewal.
    pub(super) pending: bool,
    pub(super) values: Values,
    pub(super) created: Timestamp,
    pub(super) submitted: Timestamp,
    pub(super) approved: Option<Timestamp>,
    pub(super) expires: Option<Timestamp>,
    pub(super) schedule: Schedule,
}

impl Domain {
    pub(super) fn new(spec: DomainSpec, id: u64, profile: &Profile) -> Self {
        let now = clock::now();
        let mut domain = Self {
            id,
            account: spec.account,
            name: scope::canonical(&spec.name),
            method: spec.method,
            kinds: spec.kinds,
            active: true,
            pending: true,
            values: Values::default(),
            created: now,
            submitted: now,
            approved: None,
            expires: None,
            schedule: Schedule::new(),
        };
        if spec.validated {
            domain.approve(profile, now);
        }
        domain
    }

    /// Asks for a proof, the first or a renewal. What is proven stays so meanwhile.
    pub(super) fn submit(&mut self, method: &str, profile: &Profile, random: &mut Random, now: Timestamp) {
        // The value of a proof that succeeded is not used for the next one.
        let reusable = self.pending && self.values.last().is_some_and(|value| value.expires > now);
        method.clone_into(&mut self.method);
        self.pending = true;
        self.submitted = now;
        self.schedule.restart();
        if has_token(method) && !reusable {
            self.values.renew(profile, random, now);
        }
    }

    /// Books a successful proof: the time for which it may be used begins anew.
    pub(super) fn approve(&mut self, profile: &Profile, now: Timestamp) {
        self.pending = false;
        self.approved = Some(now);
        let expires = clock::after(now, profile.domain_reuse);
        self.expires = Some(match profile.expiration_date {
            ExpirationDate::Offset | ExpirationDate::Z => clock::whole_second(expires),
            _ => expires,
        });
    }

    /// Ends the time for which the proof may be used.
    pub(super) fn expire(&mut self, now: Timestamp) {
        self.expires = self.expires.map(|expires| expires.min(now));
    }

    /// Whether the proof may be used now.
    pub(super) fn is_valid(&self, now: Timestamp) -> bool {
        self.active && self.expires.is_some_and(|expires| expires > now)
    }

    /// Whether its proof counts for `scope`. A file proves its own name only, DNS all names below it too.
    pub(super) fn covers(&self, scope: &str) -> bool {
        if self.method.starts_with("http") { self.name == scope } else { scope::encloses(&self.name, scope) }
    }

    /// The word for its validation: `active` as long as the proof may be used, also while a renewal is pending.
    pub(super) fn status(&self, now: Timestamp) -> &'static str {
        match self.expires {
            Some(expires) if expires > now => "active",
            Some(_) if !self.pending => "expired",
            _ => "pending",
        }
    }

    /// The value that answers show.
    pub(super) fn value(&self) -> Option<&Value> {
        self.values.last().filter(|_| has_token(&self.method))
    }

    /// Whether a check can bring the domain on.
    pub(super) fn awaits_proof(&self) -> bool {
        self.pending && self.active && has_token(&self.method)
    }
}

/// Whether the method works with a random value at all.
pub(super) fn has_token(method: &str) -> bool {
    matches!(method, "dns-txt-token" | "dns-cname-token" | "http-token" | "http-token-dynamic")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_renewal_leaves_the_proof_in_force_until_it_succeeds() {
        let (profile, mut random) = (Profile::default(), Random::seeded(1));
        let now = clock::now();
        let mut domain = Domain::new(DomainSpec::new("Example.com.").validated(), 1, &profile);
        let end = domain.expires;
        domain.submit("dns-txt-token", &profile, &mut random, now);
        assert_eq!((domain.status(now), domain.pending, domain.expires), ("active", true, end));
        let first = domain.value().unwrap().text.clone();
        domain.submit("dns-txt-token", &profile, &mut random, now);
        assert_eq!(domain.value().unwrap().text, first, "still pending, still the same value");
        domain.expire(now);
        assert_eq!(domain.status(now), "pending");
        let later = clock::after(now, Duration::from_secs(60));
        domain.approve(&profile, later);
        assert_eq!((domain.status(later), domain.pending), ("active", false));
        assert!(domain.expires > end);
        domain.expire(later);
        assert_eq!(domain.status(later), "expired");
        domain.submit("dns-txt-token", &profile, &mut random, later);
        assert_ne!(domain.value().unwrap().text, first, "a value serves one proof");
    }

    #[test]
    fn dns_proves_what_is_below_and_a_file_does_not() {
        let domain =
            |method| Domain::new(DomainSpec::new("example.com").method(method), 1, &Profile::default());
        assert!(domain("dns-txt-token").covers("www.example.com"));
        assert!(!domain("dns-txt-token").covers("notexample.com"));
        assert!(
            domain("http-token").covers("example.com") && !domain("http-token").covers("www.example.com")
        );
    }
}
