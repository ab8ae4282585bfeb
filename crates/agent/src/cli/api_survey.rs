//! How an account's real answers compare with what this version knows of DigiCert's API: calls that only read.

use std::path::Path;

use digicert_api::{Class, DomainFilter, Error, OrderFilter, OrderStatus, Reading, Survey};
use serde_json::{Value as Json, json};

use crate::{ca::Account, error::chain};

/// The answer to one call.
#[derive(Debug)]
pub(super) struct Answered {
    /// Which, without its numbers.
    pub(super) call: &'static str,
    /// The comparison, or why there is none.
    pub(super) outcome: Result<Survey, Refusal>,
}

/// A call that was refused.
#[derive(Debug)]
pub(super) struct Refusal {
    /// What was answered.
    pub(super) what: String,
    /// What follows from it.
    pub(super) follows: String,
    status: Option<u16>,
    code: Option<String>,
    class: Class,
}

/// Makes the calls that the agent makes: whose key it is, orders, one of them with its validation, what changed, domains.
pub(super) async fn of_account(account: &Account, with_domains: bool) -> Vec<Answered> {
    let client = &account.client;
    let mut readings = vec![Reading::User, Reading::Orders, Reading::Changes];
    let page = client.orders_page(&OrderFilter { page_size: 100, ..OrderFilter::default() }, 0).await;
    let orders = page.map(|page| page.orders).unwrap_or_default();
    // One with open work tells more.
    let open = orders.iter().find(|order| order.status == OrderStatus::Pending);
    if let Some(order) = open.or_else(|| orders.first()) {
        readings.extend([Reading::Order(order.id), Reading::Validation(order.id)]);
    }
    if with_domains {
        readings.push(Reading::Domains);
        let domains = client.domains(&DomainFilter::default()).await.unwrap_or_default();
        readings.extend(domains.first().map(|domain| Reading::Domain(domain.id)));
    }
    let mut answers = Vec::new();
    for reading in readings {
        let outcome = client.survey(reading).await.map_err(|error| refusal(&error));
        answers.push(Answered { call: reading.title(), outcome });
    }
    answers
}

fn refusal(error: &Error) -> Refusal {
    let follows = match error.class() {
        Class::MissingPermission => "what this call is for cannot be done with this key",
        Class::NotFound => "it is taken for gone",
        Class::KeyTrouble | Class::Setup => "nothing can be done until that is mended",
        Class::Undecodable => "it is tried again, more rarely; tell the project, with --report",
        Class::Throttled | Class::Transient | Class::Gateway => "it is tried again",
        Class::NotYet | Class::Misconfigured => "another call is made in its place",
    };
    Refusal {
        what: chain(error),
        follows: follows.to_owned(),
        status: error.status(),
        code: error.answer().and_then(|answer| answer.code()).map(str::to_owned),
        class: error.class(),
    }
}

/// Writes the shapes of the answers: which fields there are and of what kind, no value of anybody's.
pub(super) fn write(path: &Path, answers: &[Answered]) -> Result<(), String> {
    let calls: Vec<Json> = answers.iter().map(described).collect();
    let report = json!({ "dcv-agent": env!("CARGO_PKG_VERSION"), "calls": calls });
    let text = serde_json::to_string_pretty(&report).map_err(|error| error.to_string())?;
    std::fs::write(path, text + "\n").map_err(|error| format!("the report {}: {error}", path.display()))
}

fn described(Answered { call, outcome }: &Answered) -> Json {
    match outcome {
        Ok(survey) => {
            let surprises: Vec<Json> = survey
                .surprises
                .iter()
                .map(|surprise| {
                    json!({ "path": surprise.path, "what": surprise.what, "follows": surprise.follows })
                })
                .collect();
            json!({ "call": call, "status": survey.status, "surprises": surprises, "shape": survey.shape })
        }
        Err(Refusal { status, code, class, .. }) => {
            // A code is a word of the API's vocabulary; what else was answered stays here.
            let code = code.as_deref().map(words);
            json!({ "call": call, "status": status, "code": code, "understood_as": format!("{class:?}") })
        }
    }
}

/// The parts of a code that read as words: what follows the first may be somebody's domain (`caa_check_failed|example.com`).
fn words(code: &str) -> String {
    let is_word = |part: &&str| part.len() <= 40 && part.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    code.split('|').map(|part| Some(part).filter(is_word).unwrap_or("…")).collect::<Vec<_>>().join("|")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A report is shown to others: of a code only words are in it.
    #[test]
    fn a_code_in_the_report_names_nobody() {
        for (code, shown) in [
            ("access_denied|access_denied_invalid_key", "access_denied|access_denied_invalid_key"),
            ("caa_check_failed|www.example.com", "caa_check_failed|…"),
            ("caa_not_found|EXAMPLE", "caa_not_found|…"),
            ("k2v9p0tz4n8c1wfy6hd5bj3r0lsq7m3x", "…"),
        ] {
            assert_eq!(words(code), shown);
        }
    }
}
