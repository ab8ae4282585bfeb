//! Finding an account's orders: the list once, then one question a minute about what has changed.

use std::{collections::HashMap, sync::Arc, time::Duration};

use dcv_core::{CertName, Facts, Kind, OrderStatus};
use digicert_api::{Class, Error, OrderFilter, OrderSummary, is_tls};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use tokio::time::Instant;
use tracing::info;

use super::{Found, Listed, RETRY, SOON, Watch};
use crate::{
    ca::{Account, admit, cert_name},
    clock,
    config::{Config, Discover},
    error::chain,
    subject::{Subject, Trigger},
};

/// Changes are asked for with this much overlap: clocks differ, and a change may show late.
pub(super) const OVERLAP: Duration = Duration::from_secs(120);
/// After so long without an answer, and once a day in any case, the whole list is read again. The CA remembers changes
/// for seven days.
const RELIST: Duration = Duration::from_secs(24 * 60 * 60);

/// What a list tells of an order.
#[derive(Debug)]
pub struct Listing {
    /// Its status.
    status: OrderStatus,
    /// The number of the certificate that it is for; each reissue has one of its own.
    certificate: Option<u64>,
    /// Its names, as far as they can be read.
    names: Vec<CertName>,
}

/// Reads the list of an account's orders in work states; those that are configured by number are left out.
///
/// # Errors
/// As the call does.
pub async fn list(
    config: &Config,
    name: &str,
    account: &Account,
    discover: &Discover,
) -> Result<Vec<Found<Listing>>, Error> {
    let filter = OrderFilter {
        statuses: discover.statuses.iter().map(|status| status.as_str().into()).collect(),
        ..OrderFilter::default()
    };
    let orders = account.client.with_deadline(Instant::now() + SOON).orders(&filter).await?;
    let strange = |order: &OrderSummary| !config.names(name, order.id.get());
    let found = orders.into_iter().filter(strange).map(|order| Found {
        subject: Subject::order(name, order.id.get()),
        listed: Listing {
            status: OrderStatus::from(order.status.as_str()),
            certificate: order.certificate_id,
            names: order.names.iter().filter_map(|text| cert_name(text)).collect(),
        },
        facts: consider(
            order.id.get(),
            &order.names,
            order.product_type.as_deref(),
            order.valid_till,
            discover,
        ),
    });
    Ok(found.collect())
}

/// What to begin an order with.
///
/// # Errors
/// Why it is left alone, in one sentence.
pub fn consider(
    id: u64,
    names: &[String],
    product_type: Option<&str>,
    valid_till: Option<Date>,
    discover: &Discover,
) -> Result<Facts, String> {
    if let Some(other) = product_type.filter(|kind| !is_tls(Some(kind))) {
        return Err(format!("it is no order for a TLS certificate ({other})"));
    }
    admit(&discover.patterns, names)?;
    Ok(Facts {
        seed: id,
        discovered: true,
        switch_to: discover.switch_method.clone(),
        needed_by: valid_till.and_then(end_of),
        ..Facts::default()
    })
}

/// The end of a certificate's last day, in UTC.
fn end_of(day: Date) -> Option<Timestamp> {
    Some(day.tomorrow().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

impl Watch {
    /// Reads the list once; what passes is tried again until `stop`. Tells whether the list was read.
    pub(super) async fn orders_once(self) -> Listed {
        let Some((account, discover)) = self.discovering() else { return Listed::Read };
        let (mut known, mut failures) = (Known::default(), 0);
        while !self.read_list(&account, &discover, &mut known).await {
            if known.forbidden {
                return Listed::Refused;
            }
            if let Some(end) = self.patience(&account, &mut failures).await {
                return end;
            }
        }
        Listed::Read
    }

    /// Reads the list, then the changes every minute.
    pub(super) async fn orders(self) {
        let Some((account, discover)) = self.discovering() else { return };
        let mut known = Known::default();
        let mut listed: Option<Instant> = None;
        let mut heard = Instant::now();
        let mut failures = 0;
        loop {
            let due = listed.is_none_or(|at| at.elapsed() > RELIST || heard.elapsed() > RELIST);
            let now = Instant::now();
            let went_well = if due {
                self.read_list(&account, &discover, &mut known).await
            } else {
                self.read_changes(&account, &discover, &mut known, heard.elapsed()).await
            };
            failures = if went_well { 0 } else { failures + 1 };
            if went_well {
                heard = now;
                if due {
                    listed = Some(now);
                }
            }
            let wait = if went_well {
                discover.every
            } else {
                RETRY.after(failures, 0).unsigned_abs().max(Duration::from_secs(1))
            };
            if !self.pause(wait).await {
                return;
            }
        }
    }

    fn discovering(&self) -> Option<(Arc<Account>, Discover)> {
        let account = self.context.accounts.get(&self.name)?;
        let discover = self.context.config.accounts.get(&self.name)?.discover.clone()?;
        Some((Arc::clone(account), discover))
    }

    async fn read_list(&self, account: &Account, discover: &Discover, known: &mut Known) -> bool {
        if account.held(clock::now()).is_some() {
            return false;
        }
        let found = match list(&self.context.config, &self.name, account, discover).await {
            Ok(found) => found,
            Err(error) => {
                known.forbidden = error.class() == Class::MissingPermission;
                return self.failed(account, &error, Kind::Order);
            }
        };
        // A list that was under way when the round ended would speak of former patterns.
        if self.stop.is_cancelled() {
            return false;
        }
        account.release();
        let total = found.len();
        let taken = found.iter().filter(|found| found.facts.is_ok()).count();
        self.settle(Kind::Order, &found);
        let mut names = Vec::new();
        for Found { subject, listed, facts } in found {
            known.note(subject.id.number(), listed.status, listed.certificate);
            names.extend(listed.names);
            self.admit(subject, facts).await;
        }
        known.patterns_judged =
            known.patterns_judged || self.tell_idle("discover", &discover.patterns, &names);
        info!(account = %self.name, orders = total, taken, "account {}: read the list of open orders, {taken} of {total} are taken up", self.name);
        self.hand_out().await
    }

    async fn read_changes(
        &self,
        account: &Account,
        discover: &Discover,
        known: &mut Known,
        silence: Duration,
    ) -> bool {
        if account.held(clock::now()).is_some() {
            return false;
        }
        let client = account.client.with_deadline(Instant::now() + SOON);
        let changes = match client.status_changes(silence + OVERLAP).await {
            Ok(changes) => changes,
            Err(error) => return self.failed(account, &error, Kind::Order),
        };
        account.release();
        let mut well = true;
        for change in changes {
            let status = OrderStatus::from(change.status.as_str());
            // The overlap repeats changes; acting on them again would be harmless, and costs a call each.
            if known.holds(change.order_id.get(), &status, change.certificate_id) {
                continue;
            }
            let order = Subject::order(self.name.as_str(), change.order_id.get());
            let named = self.context.config.names(&self.name, change.order_id.get());
            if named || !discover.statuses.contains(&status) {
                self.trigger(order, Trigger::Changed).await;
            } else {
                // Its names may have changed with a reissue, so they are read each time.
                match client.order(change.order_id).await {
                    Ok(read) => {
                        let product = read.product_type.as_deref();
                        let facts = consider(read.id.get(), &read.names, product, read.valid_till, discover);
                        self.admit(order, facts).await
                    }
                    // One order that is not ours to read, such as another division's, says nothing of the others.
                    Err(error) if matches!(error.class(), Class::NotFound | Class::MissingPermission) => {
                        self.leave(order, chain(&error)).await;
                    }
                    // It is not marked as known, so the overlap brings it again; what is tended goes on.
                    Err(error) => {
                        well = self.failed(account, &error, Kind::Order);
                        continue;
                    }
                }
            }
            known.note(change.order_id.get(), status, change.certificate_id);
        }
        self.hand_out().await && well
    }

    async fn admit(&self, order: Subject, facts: Result<Facts, String>) {
        match facts {
            Ok(facts) => self.work(order, facts).await,
            Err(why) => self.leave(order, why).await,
        }
    }
}

/// What was seen of the account.
#[derive(Default)]
struct Known {
    /// Of each order the status, and the certificate that it was for then.
    orders: HashMap<u64, (OrderStatus, Option<u64>)>,
    /// It was said which patterns match nothing.
    patterns_judged: bool,
    /// The key may not list orders.
    forbidden: bool,
}

impl Known {
    /// Whether that was seen before. An order that is issued and reissued between two questions has the status that it
    /// had, for another certificate.
    fn holds(&self, order: u64, status: &OrderStatus, certificate: Option<u64>) -> bool {
        self.orders.get(&order).is_some_and(|(known, of)| {
            let another = of.zip(certificate).is_some_and(|(one, other)| one != other);
            known == status && !another
        })
    }

    fn note(&mut self, order: u64, status: OrderStatus, certificate: Option<u64>) {
        // More than any account sees in a week; forgetting costs calls only.
        if self.orders.len() >= 100_000 {
            self.orders.clear();
        }
        self.orders.insert(order, (status, certificate));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A change that is repeated costs no call; one for another certificate is another change. Where the CA does not tell
    /// the certificate the status alone counts.
    #[test]
    fn a_change_for_another_certificate_is_news() {
        let pending = OrderStatus::ReissuePending;
        let mut known = Known::default();
        assert!(!known.holds(1, &pending, Some(10)));
        known.note(1, pending.clone(), Some(10));
        assert!(known.holds(1, &pending, Some(10)) && known.holds(1, &pending, None));
        assert!(!known.holds(1, &pending, Some(11)) && !known.holds(1, &OrderStatus::Issued, Some(10)));
        known.note(2, pending.clone(), None);
        assert!(known.holds(2, &pending, Some(12)));
    }
}
