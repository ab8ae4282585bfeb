//! What `explain` tells of the file of a host.

use dcv_core::{
    Answer, Artifact, Caa, CertName, DomainName, Finding, Location, NoAnswerKind, Severity, Sighting,
    Vantage, VantageKind, Verdict,
};
use serde::Serialize;

use super::{
    describe::{describe_answer, describe_caa, describe_findings},
    show::{DIM, GOOD, HEAD, Page, WARN, paint},
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
        page.line(&format!(
            "  {:10} {}",
            "",
            paint(DIM, "fetched as DigiCert DCV Bot/1.1, as DigiCert does")
        ));
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

/// The addresses of a host at which a file that was written is not to be seen, and how it is seen where DigiCert would take
/// more than we write.
pub(super) fn not_shown(
    sightings: &[Sighting],
    artifact: &Artifact,
    route: Route<'_>,
    is_visible: bool,
) -> Vec<Finding> {
    let lacking = sightings.iter().filter(|sighting| !sighting.answer.proves(artifact));
    let lacking = lacking.map(|Sighting { vantage, answer, .. }| {
        let (code, what) = lack(vantage, answer);
        // What does not count by verify.web_as is worth knowing all the same.
        let severity = if is_visible { Severity::Warn } else { Severity::Fail };
        Finding { severity, code, what, fix: remedy(code, vantage, route) }
    });
    lacking.chain(with_text(sightings, artifact)).collect()
}

fn lack(vantage: &Vantage, answer: &Answer) -> (&'static str, String) {
    match answer {
        Answer::Failed(why) => {
            let code = match why.kind {
                NoAnswerKind::Redirect => "file-redirected",
                NoAnswerKind::Certificate => "file-certificate",
                NoAnswerKind::Family => "file-no-ipv4",
                NoAnswerKind::NotServed | NoAnswerKind::Other => "file-unreachable",
            };
            (code, format!("{vantage} does not show the file: {why}"))
        }
        Answer::File(text) if text.is_empty() => ("file-unreachable", format!("{vantage} has no such file")),
        Answer::File(_) if vantage.kind == VantageKind::Library => (
            "file-over-https",
            format!("{vantage} shows a page without the value: it asks HTTPS first, and stops there"),
        ),
        Answer::File(_) | Answer::Txt(_) | Answer::Cname(_) => {
            ("file-differs", format!("{vantage} shows another file than the one that was written"))
        }
    }
}

fn remedy(code: &str, vantage: &Vantage, route: Route<'_>) -> String {
    match code {
        "file-redirected" => "have the web server answer this path before it redirects, or redirect by a path alone (\"Location: /path\")".to_owned(),
        "file-certificate" => "give the host a certificate of its own name, of whatever issuer, or answer this path over plain HTTP".to_owned(),
        "file-no-ipv4" => "give the host an IPv4 address, or change the DCV method to dns-txt-token".to_owned(),
        "file-over-https" => format!(
            "have HTTPS at {} show the file too, or answer 404 for this path; verify.web_as = \"http\" goes by port 80 alone",
            vantage.address.map_or_else(String::new, |address| address.to_string())
        ),
        _ => match route {
            Route::Responder => "start the agent, since its responder answers only while it runs; then let port 80 of this address lead to it".to_owned(),
            Route::Webroot(folder) => format!(
                "let the web server at port 80 of this address serve {}, without a cache, or take the address out of DNS",
                folder.display()
            ),
        },
    }
}

/// DigiCert is content with a value that has other text around it, which is not what was written.
fn with_text<'a>(sightings: &'a [Sighting], artifact: &'a Artifact) -> impl Iterator<Item = Finding> + 'a {
    let around = move |seen: &&Sighting| match (&seen.answer, artifact) {
        (Answer::File(text), Artifact::File { value, .. }) => {
            seen.answer.proves(artifact) && text != value.as_str()
        }
        _ => false,
    };
    sightings.iter().filter(around).map(|seen| Finding {
        severity: Severity::Note,
        code: "file-with-text",
        what: format!("{} shows the value with other text around it; DigiCert accepts that", seen.vantage),
        fix: "nothing for DigiCert's sake".to_owned(),
    })
}
