//! Many writers at one name.

use std::{collections::BTreeSet, sync::Arc};

use dcv_core::{Change, RandomValue, RecordData, Site, Ttl};
use dns_providers::{Class, DnsProvider, Zone};

const WRITERS: usize = 8;

/// Eight writers, each with a provider of its own as eight machines would have, add a value and remove it, so many times.
/// Each finds its own value while it should be there, and nothing is left but what somebody else has there all the time.
pub(crate) async fn eight_writers_lose_nothing(
    provider: impl Fn() -> Arc<dyn DnsProvider>,
    zone: &Zone,
    site: &Site,
    rounds: usize,
) {
    let value = |text: String| RecordData::Txt(RandomValue::new(text).unwrap());
    let foreign = value("somebody-elses".to_owned());
    let add = |data: &RecordData| Change::Add { site: site.clone(), data: data.clone(), ttl: Ttl::default() };
    let first = provider();
    first.apply(zone, &[add(&foreign)]).await.unwrap();
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let (provider, zone, site) = (provider(), zone.clone(), site.clone());
        writers.spawn(async move {
            for round in 0..rounds {
                let ours = value(format!("writer-{writer}-round-{round}"));
                let add = Change::Add { site: site.clone(), data: ours.clone(), ttl: Ttl::default() };
                written(provider.as_ref(), &zone, add).await;
                let held = provider.read(&zone, &site).await.unwrap();
                assert!(
                    held.holds(&ours),
                    "the value of writer {writer} was lost in round {round}: {held:?}"
                );
                written(provider.as_ref(), &zone, Change::Remove { site: site.clone(), data: ours }).await;
            }
        });
    }
    while let Some(writer) = writers.join_next().await {
        writer.unwrap();
    }
    let left: BTreeSet<String> = first.read(zone, site).await.unwrap().txt.into_iter().collect();
    assert_eq!(left, BTreeSet::from(["somebody-elses".to_owned()]), "something was left, or lost");
    first.apply(zone, &[Change::Remove { site: site.clone(), data: foreign }]).await.unwrap();
}

/// As the agent does: what was overtaken too often is tried again.
async fn written(provider: &dyn DnsProvider, zone: &Zone, change: Change) {
    loop {
        match provider.apply(zone, std::slice::from_ref(&change)).await {
            Ok(_) => return,
            Err(error) => assert_eq!(error.class(), Class::Later, "{error}"),
        }
    }
}
