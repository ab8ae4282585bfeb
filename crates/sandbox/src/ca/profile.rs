//! How the simulated CA behaves; the defaults follow DigiCert's current documentation.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    seconds,
    switches::{
        Approval, BadKey, CheckMiss, CnameMatch, CommonName, Dname, ExpirationDate, FormerDomainValue,
        IdTypes, ListShift, Organisation, OwnPolling, Redirects, Scope, StatusFilter, SubsetParameter,
        SuccessBodies, TxtMatch, TxtNames, ValueAfterReissue, ValueWhenClosed,
    },
};

/// How the simulated CA behaves. Absent fields keep their default, unknown fields are errors.
///
/// ```
/// let profile: dcv_sandbox::ca::Profile = serde_json::from_str(
///     r#"{ "value_life": 2.5, "check_miss": "invalid_dns_txt", "expiration_date": "absent" }"#,
/// )?;
/// assert_eq!(profile.value_life.as_millis(), 2500);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Profile {
    /// Life of a random value, in seconds.
    #[serde(with = "seconds")]
    pub value_life: Duration,
    /// How many calls after expiry still return the old value (a slow back end).
    pub keep_old_calls: u32,
    /// For how many seconds after its expiry a value still passes the check.
    #[serde(with = "seconds")]
    pub value_grace: Duration,
    /// Text of every value instead of random characters: hostile or malformed values.
    pub value_literal: Option<String>,
    /// Form of `expiration_date`.
    pub expiration_date: ExpirationDate,
    /// Whether a reissue keeps the order's value.
    pub value_after_reissue: ValueAfterReissue,
    /// Reply to *dcv-random-value* on an order that has nothing to validate.
    pub value_when_closed: ValueWhenClosed,
    /// Reply to a check that does not find the value.
    pub check_miss: CheckMiss,
    /// Which spelling of the check's subset parameter is read; another one is ignored.
    pub subset_parameter: SubsetParameter,
    /// Names at which a TXT value is looked for.
    pub txt_names: TxtNames,
    /// How a TXT record is compared with the value.
    pub txt_match: TxtMatch,
    /// Domain under which a CNAME target must lie.
    pub cname_suffix: String,
    /// How a CNAME record's target is compared with the value.
    pub cname_match: CnameMatch,
    /// What is made of a DNAME record in an answer.
    pub dname: Dname,
    /// Web servers by name, each for the names below it too: where *http-token* files are fetched. Others are not asked.
    pub web: BTreeMap<String, SocketAddr>,
    /// The same for HTTPS, which is asked first, as by the published library: whatever it shows below status 400 ends the
    /// search. Any issuer will do, but the certificate has to be for the name.
    pub web_tls: BTreeMap<String, SocketAddr>,
    /// Which redirects are followed.
    pub redirects: Redirects,
    /// How long fetching one file may take, redirects included, in seconds.
    #[serde(with = "seconds")]
    pub http_timeout: Duration,
    /// At which domain control is proven, for orders that don't say.
    pub scope: Scope,
    /// Perspectives that see nothing.
    pub blind: Vec<SocketAddr>,
    /// How many addresses of a zone may disagree before a check fails.
    pub tolerated_misses: usize,
    /// How long one question may take, tries included, in seconds.
    #[serde(with = "seconds")]
    pub dns_timeout: Duration,
    /// The CA's own polling.
    pub own_polling: OwnPolling,
    /// Seconds that an order stays in `processing` once everything is proven.
    #[serde(with = "seconds")]
    pub processing: Duration,
    /// What an OV or EV order does once its domains are proven.
    pub organisation: Organisation,
    /// Whether orders placed over the API wait for an administrator, and reissues have an open request.
    pub approval: Approval,
    /// For how many seconds the proof of a domain may be used again, by OV and EV orders.
    #[serde(with = "seconds")]
    pub domain_reuse: Duration,
    /// What a new domain value does to the former one.
    pub former_domain_value: FormerDomainValue,
    /// Reply to a missing or wrong key.
    pub bad_key: BadKey,
    /// The role of the user to whom the keys belong, in the API's words.
    pub role: String,
    /// Seconds in a `Retry-After` header of 429 replies; the real service documents none.
    pub retry_after: Option<u64>,
    /// Bodies of successful PUTs other than *dcv-random-value*, and of submitted domains, whose value has to be read then.
    pub success_bodies: SuccessBodies,
    /// JSON type of ids.
    pub id_types: IdTypes,
    /// Whether `dns_names` of an order repeats its common name.
    pub common_name: CommonName,
    /// Whether *list orders* obeys its status filter.
    pub status_filter: StatusFilter,
    /// Whether lists change between two of their pages.
    pub list_shift: ListShift,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            value_life: Duration::from_secs(30 * 24 * 3600),
            keep_old_calls: 0,
            value_grace: Duration::ZERO,
            value_literal: None,
            expiration_date: ExpirationDate::default(),
            value_after_reissue: ValueAfterReissue::default(),
            value_when_closed: ValueWhenClosed::default(),
            check_miss: CheckMiss::default(),
            subset_parameter: SubsetParameter::default(),
            txt_names: TxtNames::default(),
            txt_match: TxtMatch::default(),
            cname_suffix: "dcv.digicert.com".to_owned(),
            cname_match: CnameMatch::default(),
            dname: Dname::default(),
            web: BTreeMap::new(),
            web_tls: BTreeMap::new(),
            redirects: Redirects::default(),
            http_timeout: Duration::from_secs(5),
            scope: Scope::default(),
            blind: Vec::new(),
            tolerated_misses: 0,
            dns_timeout: Duration::from_secs(2),
            own_polling: OwnPolling::default(),
            processing: Duration::ZERO,
            organisation: Organisation::default(),
            approval: Approval::default(),
            // DigiCert keeps a day's margin to the Baseline Requirements' 200 days.
            domain_reuse: Duration::from_secs(199 * 24 * 3600),
            former_domain_value: FormerDomainValue::default(),
            bad_key: BadKey::default(),
            role: "Standard user".to_owned(),
            retry_after: None,
            success_bodies: SuccessBodies::default(),
            id_types: IdTypes::default(),
            common_name: CommonName::default(),
            status_filter: StatusFilter::default(),
            list_shift: ListShift::default(),
        }
    }
}
