//! What a person is to do about a reason for which the agent waits for one.

use dcv_core::Reason;

/// One instruction. None where the agent goes on by itself, or is done.
pub(super) const fn advice(reason: Reason) -> Option<&'static str> {
    Some(match reason {
        Reason::SetupRefused => {
            "mend the key or setting that is named above; `dcv-agent doctor` tries each of them"
        }
        Reason::Unexpected | Reason::ValueUnfit => {
            "run `dcv-agent doctor --api` and report what it finds; the agent tries again by itself"
        }
        Reason::OrderRefused => {
            "look whether CertCentral has this order, in the account of this very key (`dcv-agent doctor` tells whose it is), and whether the key may change orders"
        }
        Reason::OrderClosed => {
            "nothing for this order: it is over; place a new one if the certificate is still wanted"
        }
        Reason::WaitingForApproval => {
            "do in CertCentral what the order waits for: approve the request, or give it a CSR"
        }
        Reason::StatusUnknown => {
            "look at the order in CertCentral, and whether a newer version of the agent knows this status"
        }
        Reason::MethodUnsupported => {
            "change the DCV method to dns-txt-token in CertCentral, or prove it by hand"
        }
        Reason::NoScopes => "look at the order in CertCentral: it names no domain that could be proven",
        Reason::NoProvider => {
            "add the zone to a provider; or create, once, the CNAME record that `dcv-agent plan --cnames` prints"
        }
        Reason::ForeignCname => {
            "remove the CNAME record that stands there, or point it into a zone of the configuration; at a bare name set owner = \"dnsauth\" for its zone"
        }
        Reason::WildcardHost => {
            "give the host a record of its own, have the domain above it validated, or set records.over_wildcards"
        }
        Reason::BadDelegation => "mend the alias that is named above, or set owner = \"bare\" for the zone",
        Reason::NameTooLong => "have the domain above it validated, or set owner = \"bare\" for the zone",
        Reason::DnssecBogus => {
            "mend the zone's DNSSEC: sign it anew, or take the DS record out of the parent zone"
        }
        Reason::CaseChanged => {
            "change the DCV method to dns-txt-token in CertCentral: DNS there does not keep capitals"
        }
        Reason::CaaForbids => {
            "allow DigiCert in the CAA record that is named above: 0 issue \"digicert.com\""
        }
        Reason::BackingOff
        | Reason::NameTaken
        | Reason::WaitingForDigicert
        | Reason::TidyUp
        | Reason::DomainUnread
        | Reason::Validated
        | Reason::AuditDue
        | Reason::DomainInactive
        | Reason::NotTakenUp
        | Reason::MethodSwitch
        | Reason::OrderUnread
        | Reason::SiteUnknown
        | Reason::ValueMissing
        | Reason::ValueExpired
        | Reason::ValueExpiring
        | Reason::RenewalDue
        | Reason::Unpublished
        | Reason::Drifted
        | Reason::Superseded
        | Reason::Propagating
        | Reason::WaitingForCa
        | Reason::Visible => return None,
    })
}

#[cfg(test)]
mod tests {
    use dcv_core::Outcome;

    use super::*;

    /// Whoever is waited for is told what to do, and nobody else is sent to work.
    #[test]
    fn each_reason_that_waits_for_a_person_says_what_to_do() {
        for reason in Reason::ALL {
            let waits = matches!(reason.outcome(), Outcome::Blocked | Outcome::Setup | Outcome::Bug);
            assert_eq!(advice(*reason).is_some(), waits, "{reason}");
        }
    }
}
