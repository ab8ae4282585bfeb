//! Lists that change while they are read, as those of a busy account do.

use super::{
    domains::DomainSpec,
    lookup::Eyes,
    order_spec::OrderSpec,
    switches::ListShift,
    world::{MAX_ORDERS, State},
};

impl State {
    /// What happens to a list of orders between two of its pages; `first` is the first that is listed.
    pub(super) fn shift_orders(&mut self, account: u64, first: Option<u64>, eyes: &Eyes) {
        match (self.profile.list_shift, first) {
            (ListShift::Grows, _) if self.orders.len() < MAX_ORDERS => {
                let name = format!("placed-{}.example", self.orders.len());
                self.place(OrderSpec::dv([name]).account(account), eyes);
            }
            (ListShift::Shrinks, Some(first)) => {
                self.enter(first, "issued");
            }
            (ListShift::Still | ListShift::Grows | ListShift::Shrinks, _) => {}
        }
    }

    /// What happens to a list of domains between two of its pages; `first` is the first that is listed.
    pub(super) fn shift_domains(&mut self, account: u64, first: Option<u64>) {
        match (self.profile.list_shift, first) {
            (ListShift::Grows, _) if self.domains.len() < MAX_ORDERS => {
                let name = format!("placed-{}.example", self.domains.len());
                self.place_domain(DomainSpec::new(name).account(account));
            }
            (ListShift::Shrinks, Some(first)) => {
                if let Some(domain) = self.domains.remove(&first) {
                    self.by_name.remove(&(domain.account, domain.name));
                }
            }
            (ListShift::Still | ListShift::Grows | ListShift::Shrinks, _) => {}
        }
    }
}
