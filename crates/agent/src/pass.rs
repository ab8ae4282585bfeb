//! Carries out one step and tells what it learned.

use std::{collections::BTreeMap, time::Duration};

use dcv_core::{
    CertName, DomainName, Facts, FailureClass, Learned, Location, Method, OrderStatus, RandomValue,
    RecordData, ScopeFacts, Site, Stage, Step, ValueError,
};
use digicert_api::{CheckOutcome, Class, Client, DcvMethod, Error as ApiError, OrderValidation};
use dns_providers::Class as ProviderClass;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use tracing::{error, warn};

use crate::{
    clock,
    ledger::Event,
    publish::Error as PublishError,
    roster::OrderKey,
    world::{Account, World, chain},
};

/// The slack of an order without a value: the longest that a value lives.
const NO_HURRY: Duration = Duration::from_secs(30 * 24 * 60 * 60);

impl World {
    /// Carries out one step for one order.
    pub async fn carry_out(&self, order: &OrderKey, facts: &Facts, step: &Step) -> Learned {
        match step {
            Step::ReadOrder => {
                self.ask(order, facts, step, async |client| self.read_order(client, order.id).await).await
            }
            Step::RequestValue => {
                let learned =
                    self.ask(order, facts, step, async |client| request_value(client, order.id).await).await;
                self.ledger.note(Event::value(order, &learned)).await;
                learned
            }
            Step::AskCa => {
                self.ask(order, facts, step, async |client| self.ask_on_record(client, order, facts).await)
                    .await
            }
            Step::SwitchMethod(method) => {
                let wanted = DcvMethod::from(method.as_str());
                self.ask(order, facts, step, async |client| {
                    client.change_dcv_method(order.id, &wanted).await?;
                    Ok(Learned::Switched(method.clone()))
                })
                .await
            }
            Step::Locate(scopes) => {
                match self.observer.locate(&self.config, facts, &self.policy.methods, scopes).await {
                    Ok(located) => Learned::Located(located),
                    Err(detail) => later(detail),
                }
            }
            Step::Publish { sites, data, replacing } => {
                match self.publisher.publish(order, sites, data, replacing).await {
                    Ok(()) => {
                        Learned::Published(sites.iter().map(|site| (site.clone(), data.clone())).collect())
                    }
                    Err(error) => unpublished(&error),
                }
            }
            Step::Look(scopes) => match self.record_and_sites(facts, scopes) {
                Some((data, sites)) => {
                    Learned::Looked(self.observer.look(&sites, &data, &facts.sightings).await)
                }
                None => later("there is nothing to look for".to_owned()),
            },
            Step::ReadCaa(names) => Learned::Caa(self.observer.caa(names).await),
            Step::Retract(values) => match self.publisher.retract(order, values).await {
                Ok(()) => Learned::Retracted(values.clone()),
                Err(error) => unpublished(&error),
            },
            Step::Rest => later("a rest is not carried out".to_owned()),
        }
    }

    /// Makes a call unless the account is in trouble, and puts it there when its key is refused.
    async fn ask(
        &self,
        order: &OrderKey,
        facts: &Facts,
        step: &Step,
        call: impl AsyncFnOnce(&Client) -> Result<Learned, ApiError>,
    ) -> Learned {
        let Some(account) = self.accounts.get(&order.account) else {
            return blocked(format!("the account {} is not configured", order.account));
        };
        let now = clock::now();
        if let Some(hold) = account.held(now) {
            return setup(hold.detail, Some(hold.until.duration_since(now)));
        }
        let client = account.client.with_deadline(deadline(facts, now));
        match call(&client).await {
            Ok(learned) => {
                account.release();
                learned
            }
            Err(error) => self.refused(order, account, step, &error, now),
        }
    }

    fn refused(
        &self,
        order: &OrderKey,
        account: &Account,
        step: &Step,
        error: &ApiError,
        now: Timestamp,
    ) -> Learned {
        let detail = self.trouble(&order.account, account, error, now);
        let wait = error.retry_after().and_then(|wait| SignedDuration::try_from(wait).ok());
        match error.class() {
            Class::KeyTrouble | Class::MissingPermission | Class::Setup => setup(detail, None),
            Class::NotFound => blocked(detail),
            Class::Misconfigured | Class::NotYet if *step == Step::ReadOrder => blocked(detail),
            Class::Misconfigured | Class::NotYet => {
                Learned::Failed { class: FailureClass::Refused, detail, retry_after: wait }
            }
            Class::Throttled | Class::Transient => {
                Learned::Failed { class: FailureClass::Later, detail, retry_after: wait }
            }
            Class::Undecodable => Learned::Failed { class: FailureClass::Bug, detail, retry_after: wait },
        }
    }

    /// The record that is looked for, and where.
    fn record_and_sites(
        &self,
        facts: &Facts,
        scopes: &[DomainName],
    ) -> Option<(RecordData, Vec<(DomainName, Site)>)> {
        let value = facts.token.as_ref()?.value.as_ref().ok()?;
        let data = facts.proof(&self.policy.methods)?.record(value).ok()?;
        let sites = scopes.iter().filter_map(|scope| match facts.located.get(scope)? {
            Location::At(site) => Some((scope.clone(), site.clone())),
            Location::Blocked(_) => None,
        });
        Some((data, sites.collect()))
    }

    /// A sentence about a refused call. A refused key holds back the whole account, and is said once.
    pub(crate) fn trouble(&self, name: &str, account: &Account, error: &ApiError, now: Timestamp) -> String {
        let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
        let detail = format!("{}{hint}", chain(error));
        if !matches!(error.class(), Class::KeyTrouble | Class::MissingPermission | Class::Setup) {
            return detail;
        }
        let detail = format!("account {name}: {detail}");
        let until = now.saturating_add(self.policy.setup_retry).unwrap_or(Timestamp::MAX);
        if account.hold(until, detail.clone()) {
            error!(account = name, "{detail}");
        }
        detail
    }

    /// What is seen goes on record before the CA is asked, and its answer before it is acted upon.
    async fn ask_on_record(
        &self,
        client: &Client,
        order: &OrderKey,
        facts: &Facts,
    ) -> Result<Learned, ApiError> {
        if let Err(detail) = self.ledger.keep(Event::asked(order, facts)).await {
            return Ok(setup(detail, None));
        }
        let answer = ask_ca(client, order.id).await;
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
            Ok(OrderValidation { status: Some(status), method, names, .. }) => {
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
        // Without the CA's word the base domains are the best guess: a proof there covers every name below
        // (TLS BR 3.2.2.4.7), and accounts prove there unless they choose otherwise.
        let scopes = if status.stage() == Stage::Work { base_domains(&order.dns_names) } else { Vec::new() };
        Ok(Learned::Order { status, method: order.dcv_method.map(Method::from), scopes })
    }
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

/// When the call is wanted at the latest: by the value's expiry. While the CA's rate is used up, the least slack goes first.
fn deadline(facts: &Facts, now: Timestamp) -> Instant {
    let expires = facts.token.as_ref().and_then(|token| token.expires);
    let slack = expires
        .map_or(NO_HURRY, |expires| Duration::try_from(expires.duration_since(now)).unwrap_or_default());
    Instant::now() + slack.min(NO_HURRY)
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
    Ok(Learned::Value { value, expires: answer.expires })
}

async fn ask_ca(client: &Client, id: u64) -> Result<Learned, ApiError> {
    let check = client.check_dcv(id).await?;
    let (validated, said) = match check.outcome {
        CheckOutcome::Validated => (true, "validated".to_owned()),
        CheckOutcome::NotYet { reason } => (false, reason),
    };
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
        PublishError::Journal(_) | PublishError::NoProvider(_) => {
            Learned::Failed { class: FailureClass::Setup, detail, retry_after: None }
        }
        PublishError::Taken { .. } | PublishError::Stopping => later(detail),
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
