//! What resolvers answer, over whatever transport.

use std::time::Duration;

use hickory_proto::rr::Record;

/// For one try, or for connecting.
pub(super) const TIMEOUT: Duration = Duration::from_secs(2);

/// What a resolver answered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Resolved {
    /// The records of the answer, aliases included.
    pub(crate) records: Vec<Record>,
    /// With a denial: for how long the resolver may repeat it (RFC 2308 section 5).
    pub(crate) denied_for: Option<Duration>,
}
