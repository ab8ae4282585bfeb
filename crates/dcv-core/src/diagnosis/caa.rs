//! Whether DigiCert may issue, as findings.

use std::collections::BTreeMap;

use super::{Finding, Severity};
use crate::{Caa, CertName};

/// Draws findings from what CAA says about names of a certificate. What cannot be read weighs less where it may be out of
/// sight on purpose.
#[must_use]
pub fn caa_findings(caa: &[(CertName, Caa)], out_of_sight: bool) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut unknown: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (CertName { name, wildcard }, caa) in caa {
        let whom = if *wildcard { format!("*.{name}") } else { name.to_string() };
        match caa {
            Caa::Open => {}
            Caa::Allowed { at, parameters } if !parameters.is_empty() => found.push(Finding {
                severity: Severity::Note,
                code: "caa-parameters",
                what: format!(
                    "CAA at {at} lets DigiCert issue for {whom} under conditions: {}",
                    parameters.join(", ")
                ),
                fix: "make sure that they fit your account and method".to_owned(),
            }),
            Caa::Allowed { .. } => {}
            Caa::Forbidden { at, why } => found.push(Finding {
                severity: Severity::Fail,
                code: "caa-forbids",
                what: format!("CAA at {at} does not let DigiCert issue for {whom}: {why}"),
                fix: format!(
                    "add at {at}: CAA 0 {} \"digicert.com\"",
                    if *wildcard { "issuewild" } else { "issue" }
                ),
            }),
            Caa::Unknown { why } => unknown.entry(why).or_default().push(whom),
        }
    }
    let severity = if out_of_sight { Severity::Note } else { Severity::Warn };
    found.extend(unknown.into_iter().map(|(why, names)| {
        Finding {
            severity,
            code: "caa-unknown",
            what: format!(
                "{why}; where DigiCert cannot read them either it may not issue for {}, although control is proven (TLS BR 3.2.2.8)",
                names.join(", ")
            ),
            fix: match out_of_sight {
                true => "nothing, if these records are out of this host's sight on purpose; else let it reach the name servers above the configured ones",
                false => "make every name server answer for CAA, with a valid signature where the zone is signed, before DigiCert is to issue",
            }
            .to_owned(),
        }
    }));
    found
}
