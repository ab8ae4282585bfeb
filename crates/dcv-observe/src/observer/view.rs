//! Whom to ask.

use std::sync::Arc;

use hickory_proto::dnssec::TrustAnchors;

use super::caa::CaaReader;
use crate::{
    Clock, Error,
    authority::{dnssec::Validator, exchange::Exchange, recursive::Recursive, walk::Walk},
    network::Network,
    settings::{self, Settings},
};

/// Whom to ask, with what was learned from them.
pub(super) struct View {
    pub(super) walk: Arc<Walk>,
    /// None where signatures are not to be validated.
    pub(super) validator: Option<Arc<Validator>>,
    pub(super) caa: CaaReader,
    pub(super) resolvers: Vec<Recursive>,
}

/// What all views are made with.
pub(super) struct Parts<'a> {
    pub(super) anchors: Arc<TrustAnchors>,
    pub(super) settings: &'a Settings,
    pub(super) clock: Clock,
    pub(super) network: Arc<dyn Network>,
    pub(super) exchange: Arc<Exchange>,
}

impl View {
    pub(super) fn new(servers: &settings::View, parts: &Parts<'_>) -> Result<Self, Error> {
        let Parts { settings, network, clock, .. } = parts;
        let resolver = |resolver, caching| Recursive::new(resolver, settings, network, caching);
        let discovery: Result<Vec<_>, _> =
            servers.discovery.iter().map(|known| resolver(known, true).map(Arc::new)).collect();
        let exchange = Arc::clone(&parts.exchange);
        let walk = Arc::new(Walk::new(&settings.authorities, discovery?, exchange));
        let validator = || Arc::new(Validator::new(Arc::clone(&parts.anchors), Arc::clone(&walk), *clock));
        let validator = settings.validate.then(validator);
        let caa = CaaReader::new(Arc::clone(&walk), validator.clone());
        let resolvers: Result<_, _> = servers.resolvers.iter().map(|known| resolver(known, false)).collect();
        Ok(Self { walk, validator, caa, resolvers: resolvers? })
    }
}
