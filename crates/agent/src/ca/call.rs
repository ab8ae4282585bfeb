//! The calls of a pass: each makes one step's call, puts on record what has to be, and tells what it learned.

use std::time::Duration;

use dcv_core::{
    DomainName, Facts, Failure, FailureClass, Learned, Method, OrderStatus, Patterns, Policy, RandomValue,
};
use digicert_api::{CheckOutcome, Class, Client, DcvMethod, DomainId, Error, OrderId};
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::{Account, dates::by_our_clock, domain, order};
use crate::{
    clock, death,
    error::chain,
    ledger::{Event, Ledger},
    subject::{Id, Subject},
};

/// The slack of work that has begun and has no deadline yet: the longest that a value lives.
const NO_HURRY: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A call that is about to be made for one order or domain.
#[derive(Debug)]
pub struct Call<'a> {
    account: &'a Account,
    ledger: &'a Ledger,
    policy: &'a Policy,
    subject: &'a Subject,
    facts: &'a Facts,
    client: Client,
    now: Timestamp,
}

impl<'a> Call<'a> {
    /// Prepares a call. While the CA's rate is used up, the earliest deadline goes first, then what has begun; a look at an
    /// order of which nothing new is known waits for everybody's work, as does one that has not begun.
    ///
    /// # Errors
    /// While the account is in trouble.
    pub fn new(
        account: &'a Account,
        ledger: &'a Ledger,
        policy: &'a Policy,
        subject: &'a Subject,
        facts: &'a Facts,
    ) -> Result<Self, Failure> {
        let now = clock::now();
        if let Some(hold) = account.held(now) {
            return Err(hold.failure(now));
        }
        let client = match due(facts, policy, now) {
            Some(due) => account.client.with_deadline(due),
            None => account.client.clone(),
        };
        Ok(Self { account, ledger, policy, subject, facts, client, now })
    }

    /// Reads the order: what is to be proven, and how. Of an order that is known already it is an audit. One that was found
    /// in the account has to be admitted by the patterns.
    ///
    /// # Errors
    /// As every call: how the refusal is dealt with.
    pub async fn read_order(self, patterns: Option<&Patterns>) -> Result<Learned, Failure> {
        let known = self.facts.order.as_ref().is_some_and(|order| order.at.is_some());
        let client = if known { &self.account.client } else { &self.client };
        let read = order::read(client, self.order(), patterns).await;
        self.settle(read, Refused::ForGood).map(Learned::Order)
    }

    /// Asks for the order's value.
    ///
    /// # Errors
    /// As every call.
    pub async fn request_value(self) -> Result<Learned, Failure> {
        let answer = self.settle(self.client.random_value(self.order()).await, Refused::ReadWhy)?;
        if answer.expires.is_none() {
            tracing::debug!(date = ?answer.expires_raw, "the value came without a usable expiration date");
        }
        // No value at all is how some accounts answer for orders that need none; the order tells which.
        let Some(text) = answer.value else {
            return Err(Failure::new(FailureClass::Refused, "DigiCert gave no random value for this order"));
        };
        let value = (RandomValue::new(text), by_our_clock(&self.client, answer.expires));
        death::here("value", "received");
        let learned = self.on_record(Learned::Value(value)).await;
        death::here("value", "on record");
        Ok(learned)
    }

    /// Reads the domain: its proof, its dates, its value.
    ///
    /// # Errors
    /// As every call.
    pub async fn read_domain(self) -> Result<Learned, Failure> {
        let read = self.settle(self.client.domain(self.domain()).await, Refused::ForGood)?;
        let learned = domain::learned(&self.client, read, self.facts, self.now)
            .map_err(|error| Failure::new(FailureClass::Blocked, error.to_string()))?;
        let known = self.facts.token.as_ref().and_then(|token| token.fit());
        if matches!(&learned, Learned::Domain(_, Some((Ok(value), _))) if Some(value) != known) {
            return Ok(self.on_record(learned).await);
        }
        Ok(learned)
    }

    /// Submits the domain for validation.
    ///
    /// # Errors
    /// As every call.
    pub async fn submit_domain(self) -> Result<Learned, Failure> {
        let (kinds, method) = domain::submission(self.facts);
        let kinds: Vec<&str> = kinds.iter().map(String::as_str).collect();
        let submitted = self.client.submit_domain(self.domain(), &kinds, &method).await;
        let submitted = self.settle(submitted, Refused::ReadWhy)?;
        let value = domain::given_value(&self.client, submitted, Some(&Method::from(method.as_str())));
        Ok(self.on_record(Learned::Submitted(value)).await)
    }

    /// Has a new value made for the domain.
    ///
    /// # Errors
    /// As every call.
    pub async fn new_domain_value(self) -> Result<Learned, Failure> {
        let made = self.settle(self.client.new_domain_value(self.domain()).await, Refused::ReadWhy)?;
        let none = || Failure::new(FailureClass::Bug, "DigiCert made no value for the domain");
        let value = domain::given_value(&self.client, made, self.facts.method()).ok_or_else(none)?;
        Ok(self.on_record(Learned::Value(value)).await)
    }

    /// Changes the method of the order or domain.
    ///
    /// # Errors
    /// As every call.
    pub async fn switch_method(self, method: &Method) -> Result<Learned, Failure> {
        let wanted = DcvMethod::from(method.as_str());
        let switched = match self.subject.id {
            Id::Order(_) => self.client.change_dcv_method(self.order(), &wanted).await.map(drop),
            Id::Domain(_) => self.client.change_domain_method(self.domain(), &wanted).await.map(drop),
        };
        self.settle(switched.map(|()| Learned::Done), Refused::ReadWhy)
    }

    /// Has the CA check. What is seen goes on record before it is asked, and its answer before it is acted upon.
    ///
    /// # Errors
    /// As every call; also where the evidence cannot be kept and has to be.
    pub async fn check(self) -> Result<Learned, Failure> {
        let asked = self.ledger.keep(Event::asked(self.subject, self.facts)).await;
        asked.map_err(|detail| Failure::new(FailureClass::Setup, detail))?;
        death::here("check", "on record");
        let answer = match self.subject.id {
            Id::Order(_) => order::check(&self.client, self.order()).await,
            Id::Domain(_) => check_domain(&self.client, self.domain()).await,
        };
        let told = match &answer {
            Ok(learned) => Event::answered(self.subject, self.facts, learned),
            Err(error) => Some(Event::unanswered(self.subject, &chain(error))),
        };
        self.ledger.note(told).await;
        death::here("check", "answered");
        self.settle(answer, Refused::ReadWhy)
    }

    const fn order(&self) -> OrderId {
        OrderId::new(self.subject.id.number())
    }

    const fn domain(&self) -> DomainId {
        DomainId::new(self.subject.id.number())
    }

    /// Puts a value that was learned on record.
    async fn on_record(&self, learned: Learned) -> Learned {
        self.ledger.note(Event::value(self.subject, &learned)).await;
        learned
    }

    /// The account is well again, or the refusal is turned into how it is dealt with.
    fn settle<T>(&self, outcome: Result<T, Error>, refused: Refused) -> Result<T, Failure> {
        let error = match outcome {
            Ok(answer) => {
                self.account.release();
                return Ok(answer);
            }
            Err(error) => error,
        };
        let detail = self.account.trouble(&error, self.policy.setup_retry, self.now);
        let wish = error.retry_after().and_then(|wait| SignedDuration::try_from(wait).ok());
        let (class, retry_after) = match error.class() {
            Class::KeyTrouble | Class::Setup => (FailureClass::Setup, None),
            Class::NotFound => (FailureClass::Gone, None),
            // One call's trouble: others of this account may go through, and asking again soon would not help it.
            Class::MissingPermission => (FailureClass::Blocked, None),
            Class::Misconfigured | Class::NotYet => match refused {
                Refused::ForGood => (FailureClass::Blocked, None),
                Refused::ReadWhy => (FailureClass::Refused, wish),
            },
            Class::Throttled | Class::Transient | Class::Gateway => (FailureClass::Later, wish),
            Class::Undecodable => (FailureClass::Bug, wish),
        };
        Err(Failure { class, detail, retry_after })
    }
}

/// What a refusal of a call for one order means.
#[derive(Clone, Copy, Debug)]
enum Refused {
    /// There is nothing to be read that would tell why.
    ForGood,
    /// The order or domain tells why.
    ReadWhy,
}

/// When a call is wanted at the latest; none where it has time. While the CA's rate is used up, the least slack goes first.
/// Work that has begun is finished before more is begun: half of the work on all would leave every value up for longer.
fn due(facts: &Facts, policy: &Policy, now: Timestamp) -> Option<Instant> {
    let has_begun = facts.order.is_some() || facts.token.is_some();
    let slack = match facts.deadline(policy.value_life_cap) {
        Some(deadline) => Duration::try_from(deadline.duration_since(now)).unwrap_or_default().min(NO_HURRY),
        None if has_begun => NO_HURRY,
        None => return None,
    };
    Some(Instant::now() + slack)
}

async fn check_domain(client: &Client, id: DomainId) -> Result<Learned, Error> {
    let (complete, said) = match client.check_domain(id).await?.outcome {
        CheckOutcome::Validated => (true, "validated".to_owned()),
        CheckOutcome::NotYet { reason } => (false, reason),
    };
    let (status, approved): (Option<OrderStatus>, Vec<DomainName>) = (None, Vec::new());
    Ok(Learned::Checked { complete: Some(complete), status, approved, said })
}
