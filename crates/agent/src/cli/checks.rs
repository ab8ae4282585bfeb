//! What `doctor` has checked, and how that is told.

use serde::Serialize;

use super::show::{BAD, DIM, GOOD, Page, WARN, counted, paint};
use crate::exit::Exit;

/// One thing that was checked.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    /// What it is about: `account main`, `provider corp-bind`, `zone example.com`, `resolver 192.0.2.1:53`.
    subject: String,
    /// What was checked.
    check: &'static str,
    result: Outcome,
    /// What was seen.
    detail: String,
    /// What to do, where there is something to do.
    fix: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Outcome {
    Pass,
    Warn,
    Fail,
    /// It is the configuration or a credential.
    Setup,
}

impl Check {
    /// It is well.
    pub(super) fn pass(subject: &str, check: &'static str, detail: impl Into<String>) -> Self {
        Self { subject: subject.to_owned(), check, result: Outcome::Pass, detail: detail.into(), fix: None }
    }

    /// It is not, and what mends it.
    pub(super) fn bad(
        result: Outcome,
        subject: &str,
        check: &'static str,
        detail: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { subject: subject.to_owned(), check, result, detail: detail.into(), fix: Some(fix.into()) }
    }
}

/// How the process ends.
pub(super) fn worst(checks: &[Check]) -> Exit {
    let any = |result| checks.iter().any(|check| check.result == result);
    match (any(Outcome::Setup), any(Outcome::Fail)) {
        (true, _) => Exit::Setup,
        (false, true) => Exit::Blocked,
        (false, false) => Exit::Success,
    }
}

/// Every check in a line, what mends it below, and how many of each.
pub(super) fn table(checks: &[Check]) -> Page {
    let mut page = Page::default();
    let subject = checks.iter().map(|check| check.subject.chars().count()).max().unwrap_or(0);
    let what = checks.iter().map(|check| check.check.chars().count()).max().unwrap_or(0);
    for check in checks {
        let result = match check.result {
            Outcome::Pass => paint(GOOD, "pass"),
            Outcome::Warn => paint(WARN, "warn"),
            Outcome::Fail | Outcome::Setup => paint(BAD, "FAIL"),
        };
        page.line(&format!("{result}  {:subject$}  {:what$}  {}", check.subject, check.check, check.detail));
        if let Some(fix) = &check.fix {
            page.line(&format!("      {:subject$}  {:what$}  {} {fix}", "", "", paint(DIM, "mend:")));
        }
    }
    let count = |result| checks.iter().filter(|check| check.result == result).count();
    page.line(&format!(
        "{} passed, {}, {} failed",
        count(Outcome::Pass),
        counted(count(Outcome::Warn), "warning"),
        count(Outcome::Fail) + count(Outcome::Setup)
    ));
    page
}
