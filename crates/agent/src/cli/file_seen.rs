//! What `explain` tells of the file of a host.

use dcv_core::{Answer, Artifact, Caa, CertName, DomainName, Finding, Location, Severity, Sighting, Verdict};
use serde::Serialize;

use super::{
    describe::{describe_answer, describe_caa, describe_findings},
    show::{GOOD, HEAD, Page, WARN, paint},
};
use crate::files::Route;

/// What the web server of a host shows at each of its addresses.
#[derive(Debug, Serialize)]
pub(super) struct FileSeen {
    pub(super) host: DomainName,
    pub(super) url: String,
    /// How the file gets there: the responder, or a document root.
    pub(super) way: Option<String>,
    pub(super) location: Option<Location>,
    pub(super) verdict: Option<Verdict>,
    pub(super) sightings: Vec<Sighting>,
    pub(super) caa: Vec<(CertName, Caa)>,
    pub(super) findings: Vec<Finding>,
}

impl FileSeen {
    pub(super) fn describe(&self, page: &mut Page) {
        page.line("");
        page.line(&paint(HEAD, self.host.as_str()));
        page.line(&format!("  file       {}", self.url));
        page.line(&format!(
            "  written    {}",
            self.way.as_deref().unwrap_or("nowhere: no [http] entry covers the host")
        ));
        for (n, sighting) in self.sightings.iter().enumerate() {
            let label = if n == 0 { "servers" } else { "" };
            page.line(&format!("  {label:10} {}  {}", sighting.vantage, describe_answer(&sighting.answer)));
        }
        describe_caa(page, &self.caa);
        let seen = match &self.verdict {
            Some(Verdict::Visible) => paint(GOOD, "visible at every address"),
            Some(_) => paint(WARN, "not visible"),
            None => return describe_findings(page, &self.findings),
        };
        page.line(&format!("  {:10} {seen}", "verdict"));
        describe_findings(page, &self.findings);
    }
}

/// The addresses of a host at which a file that was written is not to be seen.
pub(super) fn not_shown(sightings: &[Sighting], artifact: &Artifact, route: Route<'_>) -> Vec<Finding> {
    let lacking = sightings.iter().filter(|sighting| !sighting.answer.proves(artifact));
    let each = lacking.map(|Sighting { vantage, answer, .. }| {
        let (code, what) = match answer {
            Answer::Failed(why) => ("file-unreachable", format!("{vantage} does not show the file: {why}")),
            Answer::File(text) if text.is_empty() => {
                ("file-unreachable", format!("{vantage} has no such file"))
            }
            Answer::File(_) | Answer::Txt(_) | Answer::Cname(_) => {
                ("file-differs", format!("{vantage} shows another file than the one that was written"))
            }
        };
        let fix = match route {
            Route::Responder => "start the agent, since its responder answers only while it runs; then let port 80 of this address lead to it".to_owned(),
            Route::Webroot(folder) => format!(
                "let the web server at port 80 of this address serve {}, without a cache, or take the address out of DNS",
                folder.display()
            ),
        };
        Finding { severity: Severity::Fail, code, what, fix }
    });
    each.collect()
}
