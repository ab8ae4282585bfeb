//! Carries out one step and tells what it learned.

use std::{collections::BTreeMap, time::Duration};

use dcv_core::{
    Artifact, CertName, DomainFacts, DomainName, DomainToken, Facts, FailureClass, Kind, Learned,
    LocateRequest, Location, Lookup, Method, MethodSpec, OrderStatus, Policy, RandomValue, ScopeFacts, Stage,
    Step, ValueError,
};
use digicert_api::{
    CheckOutcome, Class, Client, DcvMethod, Domain, DomainExpiry, DomainValidation, DomainValue,
    Error as ApiError, OrderValidation, WrittenTime,
};
use dns_providers::Class as ProviderClass;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use tracing::{error, warn};

use crate::{
    clock,
    context::{Account, Context, chain},
    ledger::Event,
    publish::Error as PublishError,
    subjects::{Id, Subject},
};

/// Clocks that differ by less are taken for the same.
const TOLERATED_SKEW: SignedDuration = SignedDuration::from_secs(30);
/// The slack of an order without a value: the longest that a value lives.
const NO_HURRY: Duration = Duration::from_secs(30 * 24 * 60 * 60);

impl Context {
    /// Carries out one step for one order or domain.
    pub async fn execute(&self, subject: &Subject, facts: &Facts, step: &Step) -> Learned {
        let policy = self.policy(&subject.account);
        match step {
            Step::ReadOrder
            | Step::RequestValue
            | Step::ReadDomain
            | Step::SubmitDomain
            | Step::NewDomainValue
            | Step::SwitchMethod(_)
            | Step::AskCa => self.ask(subject, facts, step).await,
            Step::Locate(lookups) => self.locate(policy, facts, lookups).await,
            Step::Publish { artifacts, replacing } => {
                let deadline = facts.deadline(policy.value_life_cap);
                match self.publisher.publish(subject, artifacts, replacing, deadline).await {
                    Ok(()) => Learned::Published(artifacts.clone()),
                    Err(error) => unpublished(&error),
                }
            }
            Step::Look(lookups) => match wanted(policy, facts, lookups) {
                Some(wanted) => Learned::Looked(self.observer.look(&wanted, &facts.sightings).await),
                None => later("there is nothing to look for".to_owned()),
            },
            Step::ReadCaa(names) => Learned::Caa(self.observer.caa(names).await),
            Step::Retract(artifacts) => match self.publisher.retract(subject, artifacts).await {
                Ok(()) => Learned::Retracted(artifacts.clone()),
                Err(error) => unpublished(&error),
            },
            Step::Rest => later("a rest is not carried out".to_owned()),
        }
    }

    async fn locate(&self, policy: &Policy, facts: &Facts, lookups: &[Lookup]) -> Learned {
        let spec = facts.spec(&policy.methods).cloned().unwrap_or_else(MethodSpec::txt);
        let cname_suffixes = policy.methods.cname_suffixes();
        let (spec, held, cname_suffixes) = (&spec, facts.held.as_slice(), cname_suffixes.as_slice());
        let request = |lookup| LocateRequest { lookup, spec, held, cname_suffixes };
        let requests: Vec<_> = lookups.iter().map(request).collect();
        match self.observer.locate(&requests, &self.config).await {
            Ok(located) => Learned::Located(located),
            Err(detail) => later(detail),
        }
    }

    /// Makes a step's call unless the account is in trouble, and puts it there when its key is refused.
    async fn ask(&self, subject: &Subject, facts: &Facts, step: &Step) -> Learned {
        let Some(account) = self.accounts.get(&subject.account) else {
            return blocked(format!("the account {} is not configured", subject.account));
        };
        let now = clock::now();
        if let Some(hold) = account.held(now) {
            return setup(hold.detail, Some(hold.until.duration_since(now)));
        }
        let deadline = facts.deadline(self.policy(&subject.account).value_life_cap);
        let client = account.client.with_deadline(due(deadline.filter(|_| !is_audit(facts, step)), now));
        match self.call(subject, facts, step, &client).await {
            Ok(learned) => {
                account.release();
                learned
            }
            Err(error) => self.refused(subject, account, step, &error, now),
        }
    }

    /// The call of a step, and what it tells. What has to be on record is put there.
    async fn call(
        &self,
        subject: &Subject,
        facts: &Facts,
        step: &Step,
        client: &Client,
    ) -> Result<Learned, ApiError> {
        let number = subject.id.number();
        let learned = match (step, subject.id) {
            (Step::ReadOrder, _) => return self.read_order(client, number).await,
            (Step::RequestValue, _) => request_value(client, number).await?,
            (Step::ReadDomain, _) => {
                let learned = read_domain(client, client.domain(number).await?, facts);
                if !is_news(&learned, facts) {
                    return Ok(learned);
                }
                learned
            }
            (Step::SubmitDomain, _) => {
                let (kinds, method) = submission(facts);
                let kinds: Vec<&str> = kinds.iter().map(String::as_str).collect();
                Learned::Submitted(token(client, client.submit_domain(number, &kinds, &method).await?))
            }
            (Step::NewDomainValue, _) => match token(client, client.new_domain_value(number).await?) {
                Some((value, expires)) => Learned::Value { value, expires },
                None => bug("DigiCert made no value for the domain"),
            },
            (Step::SwitchMethod(method), id) => {
                let wanted = DcvMethod::from(method.as_str());
                match id {
                    Id::Order(_) => drop(client.change_dcv_method(number, &wanted).await?),
                    Id::Domain(_) => drop(client.change_domain_method(number, &wanted).await?),
                }
                return Ok(Learned::Switched(method.clone()));
            }
            (Step::AskCa, _) => return self.ask_on_record(client, subject, facts).await,
            (step, _) => bug(&format!("the step {} is no call", step.label())),
        };
        self.ledger.note(Event::value(subject, &learned)).await;
        Ok(learned)
    }

    fn refused(
        &self,
        order: &Subject,
        account: &Account,
        step: &Step,
        error: &ApiError,
        now: Timestamp,
    ) -> Learned {
        let detail = self.trouble(&order.account, account, order.id.kind(), error, now);
        let wait = error.retry_after().and_then(|wait| SignedDuration::try_from(wait).ok());
        match error.class() {
            Class::KeyTrouble | Class::MissingPermission | Class::Setup => setup(detail, None),
            Class::NotFound => blocked(detail),
            Class::Misconfigured | Class::NotYet if matches!(step, Step::ReadOrder | Step::ReadDomain) => {
                blocked(detail)
            }
            Class::Misconfigured | Class::NotYet => {
                Learned::Failed { class: FailureClass::Refused, detail, retry_after: wait }
            }
            Class::Throttled | Class::Transient => {
                Learned::Failed { class: FailureClass::Later, detail, retry_after: wait }
            }
            Class::Undecodable => Learned::Failed { class: FailureClass::Bug, detail, retry_after: wait },
        }
    }

    /// A sentence about a refused call about orders or domains. A refused key holds back the whole account, and is said
    /// once; one that may not do a thing with domains may still do everything with orders.
    pub(crate) fn trouble(
        &self,
        name: &str,
        account: &Account,
        about: Kind,
        error: &ApiError,
        now: Timestamp,
    ) -> String {
        let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
        let detail = format!("{}{hint}", chain(error));
        match error.class() {
            Class::KeyTrouble | Class::Setup => {}
            Class::MissingPermission if about == Kind::Order => {}
            _ => return detail,
        }
        let detail = format!("account {name}: {detail}");
        let until = now.saturating_add(self.policy(name).setup_retry).unwrap_or(Timestamp::MAX);
        if account.hold(until, detail.clone()) {
            error!(account = name, "{detail}");
        }
        detail
    }

    /// What is seen goes on record before the CA is asked, and its answer before it is acted upon.
    async fn ask_on_record(
        &self,
        client: &Client,
        order: &Subject,
        facts: &Facts,
    ) -> Result<Learned, ApiError> {
        if let Err(detail) = self.ledger.keep(Event::asked(order, facts)).await {
            return Ok(setup(detail, None));
        }
        let answer = match order.id {
            Id::Order(number) => check_order(client, number).await,
            Id::Domain(number) => check_domain(client, number).await,
        };
        let told = match &answer {
            Ok(learned) => Event::answered(order, learned),
            Err(error) => Some(Event::unanswered(order.clone(), &chain(error))),
        };
        self.ledger.note(told).await;
        answer
    }

    /// The validation status tells scopes, status and method in one call; where it fails the order itself is read.
    async fn read_order(&self, client: &Client, id: u64) -> Result<Learned, ApiError> {
        let validation = client.order_validation(id).await;
        match validation {
            Ok(OrderValidation { status: Some(status), method, names, organization_missing, .. }) => {
                let method = method.or_else(|| {
                    names.iter().find(|name| !name.approved).and_then(|name| name.method.clone())
                });
                let mut scopes = Vec::new();
                for name in names {
                    match DomainName::scope(&name.scope) {
                        Ok(scope) => scopes.push(ScopeFacts {
                            name: scope,
                            approved: name.approved,
                            names: name.dns_names.iter().filter_map(|text| cert_name(text)).collect(),
                        }),
                        Err(error) => warn!(order = id, "DigiCert names a scope that is left alone: {error}"),
                    }
                }
                Ok(Learned::Order {
                    status: OrderStatus::from(status.as_str()),
                    method: method.map(Method::from),
                    scopes,
                    missing: organization_missing,
                })
            }
            Ok(OrderValidation { status: None, .. }) => self.read_status(client, id).await,
            Err(error)
                if matches!(error.class(), Class::NotYet | Class::Misconfigured | Class::Undecodable) =>
            {
                self.read_status(client, id).await
            }
            Err(error) => Err(error),
        }
    }

    async fn read_status(&self, client: &Client, id: u64) -> Result<Learned, ApiError> {
        let order = client.order(id).await?;
        let status = OrderStatus::from(order.status.as_str());
        let method = order.dcv_method.map(Method::from);
        // Without the CA's word the base domains are the best guess: a proof there covers every name below it
        // (TLS BR 3.2.2.4.7), and accounts prove there unless they choose otherwise. A file proves its own name only.
        let scopes = match status.stage() {
            Stage::Work if method == Some(Method::Http) => each_by_itself(&order.dns_names),
            Stage::Work => base_domains(&order.dns_names),
            Stage::Watch | Stage::Ended | Stage::Unknown => Vec::new(),
        };
        Ok(Learned::Order { status, method, scopes, missing: Vec::new() })
    }
}

fn each_by_itself(names: &[String]) -> Vec<ScopeFacts> {
    let names = names.iter().filter_map(|text| cert_name(text));
    names.map(|name| ScopeFacts { name: name.name.clone(), approved: false, names: vec![name] }).collect()
}

/// The domains under public suffixes to which names belong, each with its names.
fn base_domains(names: &[String]) -> Vec<ScopeFacts> {
    let mut bases: BTreeMap<DomainName, Vec<CertName>> = BTreeMap::new();
    for name in names.iter().filter_map(|text| cert_name(text)) {
        let base = psl::domain_str(name.name.as_str()).and_then(|base| base.parse().ok());
        bases.entry(base.unwrap_or_else(|| name.name.clone())).or_default().push(name);
    }
    bases.into_iter().map(|(name, names)| ScopeFacts { name, approved: false, names }).collect()
}

/// A name as it stands on the certificate; old orders hold blanks, which are left out.
pub(crate) fn cert_name(text: &str) -> Option<CertName> {
    Some(CertName { name: DomainName::scope(text).ok()?, wildcard: text.trim_start().starts_with("*.") })
}

/// When a call is wanted at the latest. While the CA's rate is used up, the least slack goes first.
fn due(deadline: Option<Timestamp>, now: Timestamp) -> Instant {
    let slack = deadline
        .map_or(NO_HURRY, |deadline| Duration::try_from(deadline.duration_since(now)).unwrap_or_default());
    Instant::now() + slack.min(NO_HURRY)
}

/// A look at an order of which nothing new is known can wait for everybody's work.
fn is_audit(facts: &Facts, step: &Step) -> bool {
    let known = facts.order.as_ref().is_some_and(|order| order.at != Timestamp::UNIX_EPOCH);
    *step == Step::ReadOrder && known
}

/// What is looked for at these lookups.
fn wanted(policy: &Policy, facts: &Facts, lookups: &[Lookup]) -> Option<Vec<(Lookup, Artifact)>> {
    let value = facts.token.as_ref()?.value.as_ref().ok()?;
    let spec = facts.spec(&policy.methods)?;
    let wanted = lookups.iter().filter_map(|lookup| match facts.located.get(lookup)? {
        Location::At(target) => Some((lookup.clone(), spec.artifact(target, value).ok()?)),
        Location::Blocked(_) => None,
    });
    Some(wanted.collect())
}

async fn request_value(client: &Client, id: u64) -> Result<Learned, ApiError> {
    let answer = client.random_value(id).await?;
    if answer.expires.is_none() {
        tracing::debug!(order = id, date = ?answer.expires_raw, "the value came without a usable expiration date");
    }
    // No value at all is how some accounts answer for orders that need none; the order tells which.
    let Some(text) = answer.value else {
        return Ok(Learned::Failed {
            class: FailureClass::Refused,
            detail: "DigiCert gave no random value for this order".to_owned(),
            retry_after: None,
        });
    };
    let value: Result<RandomValue, ValueError> = RandomValue::new(text);
    Ok(Learned::Value { value, expires: by_our_clock(client, answer.expires) })
}

/// A date of the CA's as our clock will show it, where the two differ by more than the network explains: an expiry that
/// we take for past while the CA does not, or the reverse, would have us wait for a new value, or publish a dead one.
fn by_our_clock(client: &Client, date: Option<Timestamp>) -> Option<Timestamp> {
    let ahead = client.clock_skew(clock::now()).filter(|ahead| ahead.abs() > TOLERATED_SKEW);
    match (date, ahead) {
        (Some(date), Some(ahead)) => date.checked_sub(ahead).ok(),
        (date, _) => date,
    }
}

/// The kinds of validation and the method with which a domain is submitted: those that it has.
fn submission(facts: &Facts) -> (Vec<String>, DcvMethod) {
    let domain = facts.domain.as_ref();
    let kinds = domain.map(|domain| domain.kinds.clone()).filter(|kinds| !kinds.is_empty());
    let method = domain.and_then(|domain| domain.method.as_ref()).unwrap_or(&Method::DnsTxt);
    (kinds.unwrap_or_else(|| vec!["ov".to_owned()]), DcvMethod::from(method.as_str()))
}

/// The value of a domain, where it has one.
fn token(client: &Client, value: DomainValue) -> Option<DomainToken> {
    Some((RandomValue::new(value.value?), by_our_clock(client, value.expires)))
}

fn read_domain(client: &Client, domain: Domain, known: &Facts) -> Learned {
    let name = match DomainName::scope(&domain.name) {
        Ok(name) => name,
        Err(error) => return blocked(error.to_string()),
    };
    let now = clock::now();
    let known = known.domain.as_ref().is_some_and(|domain| domain.pending);
    let facts = DomainFacts {
        at: now,
        name,
        active: domain.active.unwrap_or(true),
        pending: is_pending(&domain).unwrap_or(known),
        method: domain.method.as_ref().map(|method| Method::from(method.as_str())),
        kinds: domain.validations.iter().map(|validation| validation.kind.clone()).collect(),
        approved: by_our_clock(client, domain.approved),
        valid_until: by_our_clock(client, valid_until(&domain.expiry, &domain.validations)),
        seen: now,
    };
    Learned::Domain(Box::new(facts), domain.value.and_then(|value| token(client, value)))
}

/// Whether a proof is outstanding, as far as any part of the answer tells: each may be left out.
fn is_pending(domain: &Domain) -> Option<bool> {
    let words = domain.validations.iter().filter_map(|validation| validation.dcv_status.as_deref());
    let by_kind = words.map(|word| word.eq_ignore_ascii_case("pending")).reduce(|one, other| one || other);
    let by_value = domain.value.as_ref().and_then(|value| value.status.as_deref());
    domain.pending.or(by_kind).or_else(|| by_value.map(|word| word.eq_ignore_ascii_case("pending")))
}

/// Until when the proof may be used by orders of every kind that the domain takes part in. A date of another kind may be
/// long past.
pub(crate) fn valid_until(expiry: &DomainExpiry, kinds: &[DomainValidation]) -> Option<Timestamp> {
    let has =
        |kind: &str| kinds.is_empty() || kinds.iter().any(|known| known.kind.eq_ignore_ascii_case(kind));
    let of = |kind, time: &Option<WrittenTime>| time.as_ref().filter(|_| has(kind)).and_then(|time| time.at);
    let any = expiry.any.as_ref().and_then(|time| time.at);
    any.or_else(|| [of("ov", &expiry.ov), of("ev", &expiry.ev)].into_iter().flatten().min())
}

/// Whether a reading shows a value that was not at hand.
fn is_news(learned: &Learned, facts: &Facts) -> bool {
    let known = facts.token.as_ref().and_then(|token| token.value.as_ref().ok());
    matches!(learned, Learned::Domain(_, Some((Ok(value), _))) if Some(value) != known)
}

async fn check_domain(client: &Client, number: u64) -> Result<Learned, ApiError> {
    let (validated, said) = outcome(client.check_domain(number).await?.outcome);
    Ok(Learned::Asked { validated, status: None, approved: Vec::new(), said })
}

fn outcome(outcome: CheckOutcome) -> (bool, String) {
    match outcome {
        CheckOutcome::Validated => (true, "validated".to_owned()),
        CheckOutcome::NotYet { reason } => (false, reason),
    }
}

async fn check_order(client: &Client, id: u64) -> Result<Learned, ApiError> {
    let check = client.check_dcv(id).await?;
    let (validated, said) = outcome(check.outcome);
    let approved =
        check.names.iter().filter(|name| name.approved).filter_map(|name| DomainName::scope(&name.name).ok());
    Ok(Learned::Asked {
        validated,
        status: check.order_status.map(|status| OrderStatus::from(status.as_str())),
        approved: approved.collect(),
        said,
    })
}

fn unpublished(error: &PublishError) -> Learned {
    let detail = chain(error);
    match error {
        PublishError::Provider { cause, .. } => {
            let detail = match cause.next_action() {
                Some(hint) => format!("{detail} ({hint})"),
                None => detail,
            };
            let retry_after = cause.retry_after().and_then(|wait| SignedDuration::try_from(wait).ok());
            let class = match cause.class() {
                ProviderClass::Later => FailureClass::Later,
                ProviderClass::Blocked => FailureClass::Blocked,
                ProviderClass::Setup => FailureClass::Setup,
                ProviderClass::Bug => FailureClass::Bug,
            };
            Learned::Failed { class, detail, retry_after }
        }
        PublishError::State(_) | PublishError::NoProvider(_) => {
            Learned::Failed { class: FailureClass::Setup, detail, retry_after: None }
        }
        PublishError::File(cause) => {
            let detail = format!("{detail} ({})", cause.hint());
            if cause.is_blocked() { blocked(detail) } else { later(detail) }
        }
        PublishError::Taken { .. } => {
            Learned::Failed { class: FailureClass::Taken, detail, retry_after: None }
        }
        PublishError::Stopping => later(detail),
    }
}

fn later(detail: String) -> Learned {
    Learned::Failed { class: FailureClass::Later, detail, retry_after: None }
}

fn blocked(detail: String) -> Learned {
    Learned::Failed { class: FailureClass::Blocked, detail, retry_after: None }
}

fn setup(detail: String, retry_after: Option<SignedDuration>) -> Learned {
    Learned::Failed { class: FailureClass::Setup, detail, retry_after }
}

fn bug(detail: &str) -> Learned {
    Learned::Failed { class: FailureClass::Bug, detail: detail.to_owned(), retry_after: None }
}
