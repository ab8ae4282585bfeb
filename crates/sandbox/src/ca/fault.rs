//! Faults on request: what goes wrong, at which call, how often.

use std::{convert::Infallible, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::{endpoint::Endpoint, random::Random, seconds};

/// A fault to inject.
///
/// As JSON: `{"kind": "http_503", "endpoint": "check_dcv", "count": 2}`, or `{"kind": {"silence": {"seconds": 3}}}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// The call it strikes; any when absent.
    #[serde(default)]
    pub endpoint: Option<Endpoint>,
    /// It ends after striking this often; never when absent.
    #[serde(default)]
    pub count: Option<u32>,
    /// Chance that it strikes a matching call.
    #[serde(default = "certain")]
    pub probability: f64,
    /// Whether the call has its effect although the reply is spoiled.
    #[serde(default)]
    pub moment: Moment,
}

fn certain() -> f64 {
    1.0
}

impl Fault {
    /// Strikes every call until cleared.
    pub fn always(kind: FaultKind) -> Self {
        Self { kind, endpoint: None, count: None, probability: 1.0, moment: Moment::Before }
    }

    /// Strikes the next call only.
    pub fn once(kind: FaultKind) -> Self {
        Self::always(kind).times(1)
    }

    /// Strikes this call only.
    #[must_use]
    pub fn at(self, endpoint: Endpoint) -> Self {
        Self { endpoint: Some(endpoint), ..self }
    }

    /// Ends after this many strikes.
    #[must_use]
    pub fn times(self, count: u32) -> Self {
        Self { count: Some(count), ..self }
    }

    /// Strikes with this probability, decided by the simulator's seeded generator.
    #[must_use]
    pub fn with_probability(self, probability: f64) -> Self {
        Self { probability, ..self }
    }

    /// Lets the call take effect before its reply is spoiled.
    #[must_use]
    pub fn after_effect(self) -> Self {
        Self { moment: Moment::After, ..self }
    }

    /// Whether it strikes now; counts the strike.
    fn strikes(&mut self, endpoint: Endpoint, random: &mut Random) -> bool {
        let matches = self.endpoint.is_none_or(|wanted| wanted == endpoint) && self.count != Some(0);
        let strikes = matches && (self.probability >= 1.0 || random.chance(self.probability));
        if strikes {
            self.count = self.count.map(|left| left - 1);
        }
        strikes
    }
}

/// When a fault strikes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// The call is never carried out.
    #[default]
    Before,
    /// The call is carried out, then its reply is spoiled.
    After,
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FaultKind {
    /// 500 with an error envelope.
    #[serde(rename = "http_500")]
    Http500,
    /// 502 with a gateway's HTML page.
    #[serde(rename = "http_502")]
    Http502,
    /// 503 with an empty body.
    #[serde(rename = "http_503")]
    Http503,
    /// 504 with an empty body.
    #[serde(rename = "http_504")]
    Http504,
    /// 406 with an error envelope, as one client was seen to meet.
    #[serde(rename = "http_406")]
    Http406,
    /// 200 with broken JSON.
    GarbageJson,
    /// 200 with an HTML page.
    Html,
    /// The connection ends without a byte of response.
    CutConnection,
    /// The reply comes this much later, or never.
    Silence {
        /// How long.
        #[serde(with = "seconds", rename = "seconds")]
        duration: Duration,
    },
    /// 200 with a JSON body that goes on for this many bytes, streamed.
    HugeBody {
        /// Length of the body.
        bytes: u64,
    },
}

impl FaultKind {
    /// Shorthand for [`FaultKind::Silence`].
    pub fn silence(duration: Duration) -> Self {
        Self::Silence { duration }
    }

    /// Spoils a reply. `cut` ends the connection; `shutdown` ends the waiting.
    pub(super) async fn spoil(
        self,
        reply: impl Future<Output = Response>,
        cut: &CancellationToken,
        shutdown: &CancellationToken,
    ) -> Response {
        match self {
            Self::Http500 => envelope(StatusCode::INTERNAL_SERVER_ERROR),
            Self::Http406 => envelope(StatusCode::NOT_ACCEPTABLE),
            Self::Http502 => page(StatusCode::BAD_GATEWAY),
            Self::Html => page(StatusCode::OK),
            Self::Http503 => StatusCode::SERVICE_UNAVAILABLE.into_response(),
            Self::Http504 => StatusCode::GATEWAY_TIMEOUT.into_response(),
            Self::GarbageJson => {
                typed(StatusCode::OK, "application/json", r#"{"dcv_random_value": "abc", "expi"#)
            }
            Self::CutConnection => {
                cut.cancel();
                StatusCode::OK.into_response()
            }
            Self::Silence { duration } => {
                let _ = shutdown.run_until_cancelled(tokio::time::sleep(duration)).await;
                reply.await
            }
            Self::HugeBody { bytes } => huge(bytes, shutdown.clone()),
        }
    }
}

fn typed(status: StatusCode, kind: &'static str, body: impl Into<Body>) -> Response {
    let mut response = (status, body.into()).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn envelope(status: StatusCode) -> Response {
    let body = r#"{"errors":[{"code":"internal_error","message":"Something went wrong on our side."}]}"#;
    typed(status, "application/json", body)
}

fn page(status: StatusCode) -> Response {
    typed(status, "text/html", "<html><head><title>Bad gateway</title></head><body>nginx</body></html>")
}

/// A JSON string without end, made piece by piece so that its size costs the simulator nothing.
fn huge(bytes: u64, shutdown: CancellationToken) -> Response {
    const PIECE: &[u8] = &[b'x'; 16 * 1024];
    let head = Bytes::from_static(br#"{"dcv_random_value":""#);
    let pieces = futures_util::stream::unfold((bytes, Some(head)), move |(left, head)| {
        let ended = shutdown.is_cancelled();
        async move {
            if left == 0 || ended {
                return None;
            }
            let mut piece = head.unwrap_or(Bytes::from_static(PIECE));
            piece.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            let left = left - piece.len() as u64;
            Some((Ok::<_, Infallible>(piece), (left, None)))
        }
    });
    typed(StatusCode::OK, "application/json", Body::from_stream(pieces))
}

/// The faults in force, oldest first.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    /// Faults in force at once; more would be a mistake of the test.
    const LIMIT: usize = 1000;

    pub(super) fn add(&mut self, fault: Fault) {
        if self.0.len() < Self::LIMIT {
            self.0.push(fault);
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The first fault that strikes this call.
    pub(super) fn strike(&mut self, endpoint: Endpoint, random: &mut Random) -> Option<(FaultKind, Moment)> {
        let struck = self
            .0
            .iter_mut()
            .find_map(|fault| fault.strikes(endpoint, random).then(|| (fault.kind.clone(), fault.moment)));
        self.0.retain(|fault| fault.count != Some(0));
        struck
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_matches_counts_and_ends() {
        let mut random = Random::seeded(1);
        let mut faults = Faults::default();
        faults.add(Fault::always(FaultKind::Http503).at(Endpoint::CheckDcv).times(2));
        assert_eq!(faults.strike(Endpoint::UserMe, &mut random), None);
        for _ in 0..2 {
            assert!(faults.strike(Endpoint::CheckDcv, &mut random).is_some());
        }
        assert_eq!(faults.strike(Endpoint::CheckDcv, &mut random), None);
        assert!(faults.0.is_empty());
    }

    #[test]
    fn chance_is_seeded() {
        let strikes = |seed| {
            let mut random = Random::seeded(seed);
            let mut faults = Faults::default();
            faults.add(Fault::always(FaultKind::Html).with_probability(0.3));
            (0..1000).map(|_| faults.strike(Endpoint::UserMe, &mut random).is_some()).collect::<Vec<_>>()
        };
        assert_eq!(strikes(7), strikes(7));
        assert_ne!(strikes(7), strikes(8));
        assert!((200..400).contains(&strikes(7).iter().filter(|&&struck| struck).count()));
    }

    #[test]
    fn faults_come_from_json() {
        let fault: Fault =
            serde_json::from_str(r#"{"kind": {"silence": {"seconds": 0.5}}, "endpoint": "check_dcv"}"#)
                .unwrap();
        assert_eq!(
            fault,
            Fault::always(FaultKind::silence(Duration::from_millis(500))).at(Endpoint::CheckDcv)
        );
    }
}
