//! What `explain` found, for machines as it is and for people as text.

use dcv_core::{
    Answer, Because, Decision, DomainName, Finding, Location, Outcome, Path, Security, ServerSeen, Sighting,
    Survey, Target, Verdict,
};
use jiff::Timestamp;
use serde::Serialize;

use super::{
    describe::{describe_answer, describe_caa, describe_findings, texts},
    file_seen::FileSeen,
    show::{BAD, DIM, GOOD, HEAD, Page, WARN, paint},
};
use crate::subject::Subject;

/// The whole report; the fields are documented in `docs/output.md`.
#[derive(Debug, Serialize)]
pub(super) struct Explanation {
    /// The order, unless a bare domain is explained.
    pub(super) order: Option<OrderSeen>,
    /// Each scope that is looked at.
    pub(super) scopes: Vec<ScopeSeen>,
    /// Each host whose file is looked at.
    pub(super) files: Vec<FileSeen>,
    /// Why the agent does what it does; for an order.
    pub(super) because: Option<Because>,
    /// What the order has come to.
    pub(super) outcome: Option<Outcome>,
    /// What the agent said of it last, where it looks after it.
    pub(super) said: Option<Said>,
    /// The one thing to do now.
    pub(super) action: String,
    /// What the agent does next, and when.
    pub(super) next: Option<Next>,
    /// Questions that were asked of name servers for this report.
    pub(super) questions: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct OrderSeen {
    #[serde(flatten)]
    pub(super) key: Subject,
    pub(super) status: Option<String>,
    pub(super) method: Option<String>,
    /// The beginning of the value, enough to recognise it.
    pub(super) value: Option<String>,
    pub(super) value_expires: Option<Timestamp>,
}

/// A status of the agent's, which knows more than one look tells: what has happened before.
#[derive(Debug, Serialize)]
pub(super) struct Said {
    pub(super) at: Timestamp,
    pub(super) reason: String,
    pub(super) detail: String,
}

#[derive(Debug, Serialize)]
pub(super) struct ScopeSeen {
    pub(super) survey: Survey,
    /// The provider that serves the record's zone.
    pub(super) provider: Option<String>,
    /// Where the record goes, or why nowhere.
    pub(super) location: Option<Location>,
    /// Whether the CA would see the value now; for an order.
    pub(super) verdict: Option<Verdict>,
    pub(super) findings: Vec<Finding>,
}

#[derive(Debug, Serialize)]
pub(super) struct Next {
    pub(super) step: &'static str,
    pub(super) at: Timestamp,
}

impl Next {
    pub(super) fn of(decision: &Decision, now: Timestamp) -> Self {
        Self { step: decision.next.label(), at: decision.next.at(now) }
    }
}

impl Explanation {
    pub(super) fn worst(&self) -> Option<&Finding> {
        self.findings().min_by_key(|finding| std::cmp::Reverse(finding.severity))
    }

    /// Every finding, in the order in which scopes and files are told.
    pub(super) fn findings(&self) -> impl Iterator<Item = &Finding> {
        let of_files = self.files.iter().flat_map(|file| &file.findings);
        self.scopes.iter().flat_map(|scope| &scope.findings).chain(of_files)
    }

    pub(super) fn describe(&self, page: &mut Page, now: Timestamp) {
        if let Some(order) = &self.order {
            let status = order.status.as_deref().unwrap_or("status unknown");
            let method = order.method.as_deref().unwrap_or("method unknown");
            page.line(&paint(HEAD, &format!("order {}  {status}  {method}", order.key)));
            if let Some(value) = &order.value {
                let until =
                    order.value_expires.map_or_else(String::new, |at| format!(", valid until {at:.0}"));
                page.line(&format!("  value      {value}{until}"));
            }
        }
        for scope in &self.scopes {
            scope.describe(page);
        }
        for file in &self.files {
            file.describe(page);
        }
        page.line("");
        if let Some(because) = &self.because {
            let colour = match self.outcome {
                Some(Outcome::Done) => GOOD,
                Some(Outcome::Open) | None => WARN,
                Some(Outcome::Blocked | Outcome::Setup | Outcome::Bug) => BAD,
            };
            page.line(&format!("because      {}: {}", paint(colour, because.reason.code()), because.detail));
        }
        if let Some(Said { at, reason, detail }) = &self.said {
            page.line(&format!("agent said   {reason}, {at:.0}: {detail}"));
        }
        page.line(&format!("do now       {}", self.action));
        if let Some(Next { step, at }) = &self.next {
            let when =
                if *at <= now { "as soon as the agent runs".to_owned() } else { format!("at {at:.0}") };
            let what = if *step == "rest" { "looks again" } else { step };
            page.line(&format!("agent next   {what} {when}"));
        }
    }
}

impl ScopeSeen {
    fn describe(&self, page: &mut Page) {
        let Survey { scope, owner, delegation, zone, resolvers, caa, path, .. } = &self.survey;
        page.line("");
        page.line(&paint(HEAD, scope.as_str()));
        let end = delegation.chain.last().unwrap_or(owner);
        let chain: String = delegation.chain.iter().map(|target| format!(" -> {target}")).collect();
        let served = match (&self.location, &self.provider) {
            (Some(Location::Blocked(because)), _) => paint(BAD, &format!("{because}")),
            (Some(Location::At(Target::Record(site))), Some(provider)) => {
                format!("zone {}, provider {provider}", site.zone())
            }
            (Some(Location::At(Target::Record(site))), None) => format!("zone {}", site.zone()),
            (Some(Location::At(Target::File(host))), _) => format!("a file of {host}"),
            (None, _) => zone.as_ref().map_or_else(String::new, |zone| format!("zone {}", zone.apex)),
        };
        page.line(&format!("  record     {owner}{chain}  {}", paint(DIM, &served)));
        if *path == Path::Resolvers {
            page.line(&format!("  servers    {}", paint(WARN, "none can be asked: port 53 is closed here")));
        }
        if let Some(zone) = zone {
            for (n, server) in zone.servers.iter().enumerate() {
                let label = if n == 0 { "servers" } else { "" };
                page.line(&format!("  {label:10} {}", of_server(server, self.verdict.is_some())));
            }
            if let Some(ttl) = zone.negative_ttl {
                let told = format!("a resolver repeats \"no such record\" for {ttl} s");
                page.line(&format!("  {:10} {}", "denials", paint(DIM, &told)));
            }
        }
        for (n, sighting) in resolvers.iter().enumerate() {
            let label = if n == 0 { "resolvers" } else { "" };
            let until = sighting.denied_until.or(sighting.held_until);
            let until = until.map_or_else(String::new, |at| format!("  until {at:.0}"));
            page.line(&format!(
                "  {label:10} {}  {}{until}",
                sighting.vantage,
                describe_answer(&sighting.answer)
            ));
        }
        for elsewhere in &self.survey.elsewhere {
            page.line(&format!("  {:10} {} holds {}", "elsewhere", elsewhere.name, texts(&elsewhere.texts)));
        }
        describe_caa(page, caa);
        self.describe_verdict(page, end);
        describe_findings(page, &self.findings);
    }

    fn describe_verdict(&self, page: &mut Page, end: &DomainName) {
        match &self.verdict {
            Some(Verdict::Visible) => {
                page.line(&format!("  {:10} {} as of {end}", "verdict", paint(GOOD, "visible")));
            }
            Some(Verdict::Bogus { .. }) => page.line(&format!("  {:10} {}", "verdict", paint(BAD, "bogus"))),
            Some(Verdict::Respelled { .. }) => {
                page.line(&format!("  {:10} {}", "verdict", paint(BAD, "in other capitals")));
            }
            Some(Verdict::Lagging { without, failed }) => page.line(&format!(
                "  {:10} {} ({} without it, {} failed)",
                "verdict",
                paint(WARN, "not visible"),
                without.len(),
                failed.len()
            )),
            Some(Verdict::Unseen) | None => {}
        }
    }
}

fn of_server(server: &ServerSeen, judged: bool) -> String {
    let ServerSeen {
        sighting: Sighting { vantage, answer, security, .. }, serial, took_ms, transport, ..
    } = server;
    let mut parts = vec![vantage.to_string(), describe_answer(answer)];
    if let Some(serial) = serial {
        parts.push(format!("serial {serial}"));
    }
    if let (Some(took), Some(transport)) = (took_ms, transport) {
        parts.push(format!("{took} ms {}", format!("{transport:?}").to_lowercase()));
    }
    match security {
        Security::Unchecked => {}
        Security::Secure => parts.push(paint(GOOD, "secure")),
        Security::Insecure => parts.push(paint(DIM, "unsigned")),
        Security::Bogus(_) => parts.push(paint(BAD, "bogus")),
        Security::Indeterminate(_) => parts.push(paint(DIM, "signatures not judged")),
    }
    let failed = matches!(answer, Answer::Failed(_));
    if failed || judged && matches!(answer, Answer::Txt(texts) if texts.is_empty()) {
        parts.insert(0, paint(if failed { BAD } else { WARN }, "-"));
    }
    parts.join("  ")
}
