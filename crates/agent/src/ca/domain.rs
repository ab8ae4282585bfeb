//! What DigiCert's answers say of a prevalidated domain.

use dcv_core::{
    DomainFacts, DomainName, FILE_PATH, Facts, GivenValue, Learned, Method, NameError, RandomValue,
    ValueError,
};
use digicert_api::{Client, DcvMethod, Domain, DomainExpiry, DomainValidation, DomainValue, WrittenTime};
use jiff::Timestamp;

use super::dates::by_our_clock;

/// What a reading tells; `known` fills in what it leaves out.
pub(super) fn learned(
    client: &Client,
    domain: Domain,
    known: &Facts,
    now: Timestamp,
) -> Result<Learned, NameError> {
    let known = known.domain.as_ref().is_some_and(|domain| domain.pending);
    let facts = DomainFacts {
        at: Some(now),
        name: DomainName::scope(&domain.name)?,
        active: domain.active.unwrap_or(true),
        pending: is_pending(&domain).unwrap_or(known),
        method: domain.method.as_ref().map(|method| Method::from(method.as_str())),
        kinds: domain.validations.iter().map(|validation| validation.kind.clone()).collect(),
        approved: by_our_clock(client, domain.approved),
        valid_until: by_our_clock(client, valid_until(&domain.expiry, &domain.validations)),
        seen: now,
    };
    let value = domain.value.and_then(|value| given_value(client, value, facts.method.as_ref()));
    Ok(Learned::Domain(Box::new(facts), value))
}

/// The kinds of validation and the method with which a domain is submitted: those that it has.
pub(super) fn submission(facts: &Facts) -> (Vec<String>, DcvMethod) {
    let domain = facts.domain.as_ref();
    let kinds = domain.map(|domain| domain.kinds.clone()).filter(|kinds| !kinds.is_empty());
    let method = domain.and_then(|domain| domain.method.as_ref()).unwrap_or(&Method::DnsTxt);
    (kinds.unwrap_or_else(|| vec!["ov".to_owned()]), DcvMethod::from(method.as_str()))
}

/// The value of a domain, where it has one. Its file may be one that we do not write.
pub(super) fn given_value(
    client: &Client,
    value: DomainValue,
    method: Option<&Method>,
) -> Option<GivenValue> {
    let given = match is_another_file(value.http_token_url.as_deref(), method) {
        true => Err(ValueError::AnotherFile),
        false => RandomValue::new(value.value?),
    };
    Some((given, by_our_clock(client, value.expires)))
}

/// The CA's URL decides where it looks for a file, unless the value is for DNS.
fn is_another_file(url: Option<&str>, method: Option<&Method>) -> bool {
    let in_dns = matches!(method, Some(Method::DnsTxt | Method::DnsCname));
    !in_dns && url.is_some_and(|url| !url.trim().ends_with(FILE_PATH))
}

/// Whether a proof is outstanding, as far as any part of the answer tells: each may be left out. The words about control
/// count first, since the general flag may be about the organisation.
fn is_pending(domain: &Domain) -> Option<bool> {
    let is_open = |word: &str| word.eq_ignore_ascii_case("pending");
    let words = domain.validations.iter().filter_map(|validation| validation.dcv_status.as_deref());
    let by_kind = words.map(is_open).reduce(|one, other| one || other);
    let by_value = domain.value.as_ref().and_then(|value| value.status.as_deref()).map(is_open);
    match by_kind {
        // Flag and value together say that control is meant.
        Some(false) => Some(domain.pending == Some(true) && by_value == Some(true)),
        by_kind => by_kind.or(domain.pending).or(by_value),
    }
}

/// Until when the proof may be used by orders of every kind that the domain takes part in. A date of another kind may be
/// long past.
#[must_use]
pub fn valid_until(expiry: &DomainExpiry, kinds: &[DomainValidation]) -> Option<Timestamp> {
    let has =
        |kind: &str| kinds.is_empty() || kinds.iter().any(|known| known.kind.eq_ignore_ascii_case(kind));
    let of = |kind, time: &Option<WrittenTime>| time.as_ref().filter(|_| has(kind)).and_then(|time| time.at);
    let any = expiry.any.as_ref().and_then(|time| time.at);
    any.or_else(|| [of("ov", &expiry.ov), of("ev", &expiry.ev)].into_iter().flatten().min())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file is not written where the CA does not look for it; a URL in the answer for a value in DNS keeps nothing up.
    #[test]
    fn the_url_decides_where_the_value_is_a_file() {
        let ours = Some("http://example.com/.well-known/pki-validation/fileauth.txt");
        let other = Some("http://example.com/.well-known/pki-validation/k2v9p0.txt");
        let method = |text: &str| Method::from(text);
        for (url, by, another) in [
            (ours, Some("http-token"), false),
            (other, Some("http-token"), true),
            (other, Some("http-token-dynamic"), true),
            (other, None, true),
            (other, Some("dns-txt-token"), false),
            (other, Some("dns-cname-token"), false),
            (None, Some("http-token"), false),
        ] {
            assert_eq!(is_another_file(url, by.map(method).as_ref()), another, "{url:?} {by:?}");
        }
    }
}
