//! The calls the simulator knows.

use axum::http::Method;
use serde::{Deserialize, Serialize};

/// One call of the Services API; its snake-case name is used in statistics and faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// `PUT /order/certificate/{id}/dcv-random-value`
    DcvRandomValue,
    /// `PUT /order/certificate/{id}/check-dcv`
    CheckDcv,
    /// `PUT /order/certificate/{id}/dcv-method`
    DcvMethod,
    /// `GET /order/certificate/{id}`
    OrderInfo,
    /// `GET /order/certificate/{id}/validation`
    OrderValidation,
    /// `GET /order/certificate`
    ListOrders,
    /// `GET /order/certificate/status-changes`
    StatusChanges,
    /// `PUT /order/certificate/{id}/status`
    UpdateStatus,
    /// `POST /order/certificate/{product}`
    PlaceOrder,
    /// `POST /order/certificate/{id}/reissue`
    Reissue,
    /// `GET /domain`
    ListDomains,
    /// `POST /domain`
    AddDomain,
    /// `GET /domain/{id}`
    DomainInfo,
    /// `POST /domain/{id}/validation`
    SubmitDomain,
    /// `POST /domain/{id}/dcv/token`
    NewDomainValue,
    /// `PUT /domain/{id}/dcv/method`
    DomainMethod,
    /// `PUT /domain/{id}/dcv/validate-token`
    CheckDomain,
    /// `PUT /domain/{id}/activate`
    ActivateDomain,
    /// `PUT /domain/{id}/deactivate`
    DeactivateDomain,
    /// `GET /user/me`
    UserMe,
    /// Anything else.
    Unknown,
}

impl Endpoint {
    /// Whether a key for orders alone is refused there.
    pub(super) fn is_about_domains(self) -> bool {
        matches!(
            self,
            Self::ListDomains
                | Self::AddDomain
                | Self::DomainInfo
                | Self::SubmitDomain
                | Self::NewDomainValue
                | Self::DomainMethod
                | Self::CheckDomain
                | Self::ActivateDomain
                | Self::DeactivateDomain
        )
    }

    /// Tells which call this is, and the id or product in the path. `path` begins after `/services/v2`.
    pub(super) fn of<'p>(method: &Method, path: &'p str) -> (Self, &'p str) {
        let mut segments = path.trim_matches('/').split('/');
        let segments: [Option<&str>; 5] = std::array::from_fn(|_| segments.next());
        let endpoint = |endpoint| (endpoint, "");
        match (method.as_str(), segments) {
            ("GET", [Some("user"), Some("me"), None, ..]) => endpoint(Self::UserMe),
            ("GET", [Some("order"), Some("certificate"), None, ..]) => endpoint(Self::ListOrders),
            ("GET", [Some("order"), Some("certificate"), Some("status-changes"), None, ..]) => {
                endpoint(Self::StatusChanges)
            }
            (verb, [Some("order"), Some("certificate"), Some(target), call, None]) => {
                (Self::on_order(verb, call), target)
            }
            ("GET", [Some("domain"), None, ..]) => endpoint(Self::ListDomains),
            ("POST", [Some("domain"), None, ..]) => endpoint(Self::AddDomain),
            (verb, [Some("domain"), Some(target), call, part, None]) => {
                (Self::on_domain(verb, call, part), target)
            }
            _ => endpoint(Self::Unknown),
        }
    }

    /// Whether the call is about one domain, so that the number in its path is not an order's.
    pub(super) fn is_on_domain(self) -> bool {
        matches!(
            self,
            Self::DomainInfo
                | Self::SubmitDomain
                | Self::NewDomainValue
                | Self::DomainMethod
                | Self::CheckDomain
                | Self::ActivateDomain
                | Self::DeactivateDomain
        )
    }

    fn on_domain(method: &str, call: Option<&str>, part: Option<&str>) -> Self {
        match (method, call, part) {
            ("GET", None, None) => Self::DomainInfo,
            ("POST", Some("validation"), None) => Self::SubmitDomain,
            ("POST", Some("dcv"), Some("token")) => Self::NewDomainValue,
            ("PUT", Some("dcv"), Some("method")) => Self::DomainMethod,
            ("PUT", Some("dcv"), Some("validate-token")) => Self::CheckDomain,
            ("PUT", Some("activate"), None) => Self::ActivateDomain,
            ("PUT", Some("deactivate"), None) => Self::DeactivateDomain,
            _ => Self::Unknown,
        }
    }

    fn on_order(method: &str, call: Option<&str>) -> Self {
        match (method, call) {
            ("GET", None) => Self::OrderInfo,
            ("POST", None) => Self::PlaceOrder,
            ("GET", Some("validation")) => Self::OrderValidation,
            ("PUT", Some("dcv-random-value")) => Self::DcvRandomValue,
            ("PUT", Some("check-dcv")) => Self::CheckDcv,
            ("PUT", Some("dcv-method")) => Self::DcvMethod,
            ("PUT", Some("status")) => Self::UpdateStatus,
            ("POST", Some("reissue")) => Self::Reissue,
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_told_apart() {
        let of = |method: Method, path| Endpoint::of(&method, path);
        assert_eq!(of(Method::GET, "/order/certificate"), (Endpoint::ListOrders, ""));
        assert_eq!(of(Method::GET, "/order/certificate/status-changes"), (Endpoint::StatusChanges, ""));
        assert_eq!(of(Method::GET, "/order/certificate/7"), (Endpoint::OrderInfo, "7"));
        assert_eq!(of(Method::POST, "/order/certificate/ssl_basic"), (Endpoint::PlaceOrder, "ssl_basic"));
        assert_eq!(of(Method::PUT, "/order/certificate/7/check-dcv"), (Endpoint::CheckDcv, "7"));
        assert_eq!(of(Method::GET, "/order/certificate/7/check-dcv").0, Endpoint::Unknown);
        assert_eq!(of(Method::PUT, "/order/certificate/7/check-dcv/x").0, Endpoint::Unknown);
        assert_eq!(of(Method::GET, "/user/me"), (Endpoint::UserMe, ""));
        assert_eq!(of(Method::GET, "/domain"), (Endpoint::ListDomains, ""));
        assert_eq!(of(Method::POST, "/domain/9/dcv/token"), (Endpoint::NewDomainValue, "9"));
        assert_eq!(of(Method::PUT, "/domain/9/dcv/token").0, Endpoint::Unknown, "it is a POST");
        assert_eq!(of(Method::PUT, "/domain/9/dcv/validate-token"), (Endpoint::CheckDomain, "9"));
        assert_eq!(of(Method::GET, "/").0, Endpoint::Unknown);
    }
}
