//! Sentences about answers, CAA records and findings.

use dcv_core::{Answer, Caa, CertName, Finding, Severity};

use super::show::{BAD, DIM, GOOD, Page, WARN, paint};

pub(super) fn describe_caa(page: &mut Page, caa: &[(CertName, Caa)]) {
    for (n, (CertName { name, wildcard }, caa)) in caa.iter().enumerate() {
        let label = if n == 0 { "CAA" } else { "" };
        let star = if *wildcard { "*." } else { "" };
        page.line(&format!("  {label:10} {star}{name}  {}", of_caa(caa)));
    }
}

pub(super) fn describe_findings(page: &mut Page, findings: &[Finding]) {
    for Finding { severity, code, what, fix } in findings {
        let label = match severity {
            Severity::Fail => paint(BAD, "FAIL"),
            Severity::Warn => paint(WARN, "warn"),
            Severity::Note => paint(DIM, "note"),
        };
        page.line(&format!("  {label}       {code}: {what}"));
        page.line(&format!("             {} {fix}", paint(DIM, "mend:")));
    }
}

pub(super) fn describe_answer(answer: &Answer) -> String {
    match answer {
        Answer::Txt(found) if found.is_empty() => "nothing there".to_owned(),
        Answer::Txt(found) => texts(found),
        Answer::Cname(target) => format!("alias for {target}"),
        Answer::File(text) if text.is_empty() => "nothing there".to_owned(),
        Answer::File(text) => format!("a file with {:?}", bounded(text)),
        Answer::Failed(why) => why.to_string(),
    }
}

/// At most three texts, each bounded: they are somebody else's.
pub(super) fn texts(texts: &[String]) -> String {
    let mut told: Vec<String> = texts.iter().take(3).map(|text| format!("{:?}", bounded(text))).collect();
    if texts.len() > 3 {
        told.push(format!("and {} more", texts.len() - 3));
    }
    told.join(", ")
}

fn bounded(text: &str) -> String {
    text.chars().take(64).collect()
}

fn of_caa(caa: &Caa) -> String {
    match caa {
        Caa::Open => paint(DIM, "no CAA records: DigiCert may issue"),
        Caa::Allowed { at, .. } => paint(GOOD, &format!("DigiCert may issue (CAA at {at})")),
        Caa::Forbidden { at, .. } => paint(BAD, &format!("DigiCert may not issue (CAA at {at})")),
        Caa::Unknown { .. } => paint(WARN, "cannot be read"),
    }
}
