//! One pass: carries out one step and tells what it learned.

use dcv_core::{Facts, Failure, FailureClass, Learned, LocateRequest, Lookup, Patterns, Policy, Step};
use dns_providers::Class;
use jiff::SignedDuration;

use crate::{ca::Call, context::Context, error::chain, publish::Error, subject::Subject};

/// Carries out one step for one order or domain.
///
/// # Errors
/// How the failure is dealt with.
pub async fn execute(
    context: &Context,
    subject: &Subject,
    facts: &Facts,
    step: &Step,
) -> Result<Learned, Failure> {
    let policy = context.policy(&subject.account);
    let call = || {
        let account = context.accounts.get(&*subject.account).ok_or_else(|| {
            let detail = format!("the account {} is not configured", subject.account);
            Failure::new(FailureClass::Blocked, detail)
        })?;
        Call::new(account, &context.ledger, policy, subject, facts)
    };
    match step {
        Step::ReadOrder => call()?.read_order(patterns(context, subject, facts)).await,
        Step::RequestValue => call()?.request_value().await,
        Step::ReadDomain => call()?.read_domain().await,
        Step::SubmitDomain => call()?.submit_domain().await,
        Step::NewDomainValue => call()?.new_domain_value().await,
        Step::SwitchMethod(method) => call()?.switch_method(method).await,
        Step::AskCa => call()?.check().await,
        Step::Locate(lookups) => locate(context, policy, facts, lookups).await,
        Step::Look(wanted) => Ok(Learned::Looked(context.observer.look(wanted, &facts.sightings).await)),
        Step::ReadCaa(names) => Ok(Learned::Caa(context.observer.caa(names).await)),
        Step::Publish { artifacts, replacing } => {
            let deadline = facts.deadline(policy.value_life_cap);
            let published = context.publisher.publish(subject, artifacts, replacing, deadline).await;
            published.map(|()| Learned::Done).map_err(|error| unpublished(&error))
        }
        Step::Retract(artifacts) => {
            let retracted = context.publisher.retract(subject, artifacts).await;
            retracted.map(|()| Learned::Done).map_err(|error| unpublished(&error))
        }
    }
}

/// What has to admit an order that was found in the account; one that the configuration names is the operator's word.
fn patterns<'c>(context: &'c Context, subject: &Subject, facts: &Facts) -> Option<&'c Patterns> {
    let account = context.config.accounts.get(&*subject.account).filter(|_| facts.discovered)?;
    account.discover.as_ref().map(|discover| &discover.patterns)
}

async fn locate(
    context: &Context,
    policy: &Policy,
    facts: &Facts,
    lookups: &[Lookup],
) -> Result<Learned, Failure> {
    let required = facts.requirements(&policy.methods);
    let cname_suffixes = policy.methods.cname_suffixes();
    let requests = required.iter().filter(|required| lookups.contains(&required.lookup));
    let requests = requests.map(|required| LocateRequest {
        lookup: &required.lookup,
        spec: required.spec,
        held: &facts.held,
        cname_suffixes: &cname_suffixes,
    });
    let located = context.observer.locate(&requests.collect::<Vec<_>>(), &context.config).await;
    located.map(Learned::Located).map_err(|error| Failure::new(FailureClass::Later, error.describe()))
}

fn unpublished(error: &Error) -> Failure {
    let detail = chain(error);
    match error {
        Error::Provider { cause, .. } => {
            let hint = cause.next_action().map(|hint| format!(" ({hint})")).unwrap_or_default();
            let class = match cause.class() {
                Class::Later => FailureClass::Later,
                Class::Blocked => FailureClass::Blocked,
                Class::Setup => FailureClass::Setup,
                Class::Bug => FailureClass::Bug,
            };
            let retry_after = cause.retry_after().and_then(|wait| SignedDuration::try_from(wait).ok());
            Failure { class, detail: format!("{detail}{hint}"), retry_after }
        }
        // The host's own trouble passes; it is tried again soon.
        Error::State(_) => Failure::new(FailureClass::Later, detail),
        Error::NoProvider(_) => Failure::new(FailureClass::Setup, detail),
        Error::File(cause) => {
            let class = if cause.is_blocked() { FailureClass::Blocked } else { FailureClass::Later };
            Failure::new(class, format!("{detail} ({})", cause.hint()))
        }
        Error::Taken { .. } => Failure::new(FailureClass::Taken, detail),
        Error::Stopping => Failure::new(FailureClass::Later, detail),
    }
}
