//! Replicas of one fleet, before a real PostgreSQL and a real BIND.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use dcv_sandbox::ca::{CaConfig, CaSimulator, Endpoint, RateWindow};

use super::{Agent, Bind, Daemon, FOREIGN, postgres::Postgres, simulator};

pub(crate) const HASTE: &str = "rate = { short = \"1000/1s\", long = \"100000/60s\" }";
pub(crate) const DISCOVER: &str = "discover = { only = [\"*.dcv.test\"], every_seconds = 5 }";

pub(crate) fn host(n: usize) -> String {
    format!("h{n}.dcv.test")
}

fn foreign_at(n: usize) -> String {
    format!("_dnsauth.h{n} IN TXT \"{FOREIGN}\"")
}

/// Many calls a second: what is tested is not how long the CA makes everybody wait.
pub(crate) fn in_haste(config: &mut CaConfig) {
    config.rate = vec![RateWindow { calls: 1000, per: Duration::from_secs(1) }];
}

/// Replicas of one fleet, each with a folder of its own as on a host of its own.
pub(crate) struct Fleet {
    pub(crate) database: Postgres,
    pub(crate) bind: Bind,
    pub(crate) ca: Arc<CaSimulator>,
    pub(crate) replicas: Vec<Replica>,
}

pub(crate) struct Replica {
    pub(crate) agent: Agent,
    pub(crate) daemon: Option<Daemon>,
}

impl Fleet {
    pub(crate) async fn new(replicas: usize, names: usize, change: impl FnOnce(&mut CaConfig)) -> Self {
        let hosts: Vec<String> = (0..names).map(host).collect();
        let foreign: String = (0..names).map(|n| foreign_at(n) + "\n").collect();
        let bind = Bind::start(&hosts, &foreign, false);
        let ca = Arc::new(simulator(&bind.addresses(), change).await);
        let replica = |_| Replica { agent: Agent::new(), daemon: None };
        Self { database: Postgres::start(), bind, ca, replicas: (0..replicas).map(replica).collect() }
    }

    /// Writes the configuration of all.
    pub(crate) fn configure(&self, orders: &str, account: &str) {
        let database = SocketAddr::from(([127, 0, 0, 1], self.database.port));
        for replica in &self.replicas {
            self.configure_by(replica, database, &self.ca.base_url(), orders, account);
        }
    }

    /// Writes the configuration of one, which reaches the database and the CA by ways of its own.
    pub(crate) fn configure_by(
        &self,
        Replica { agent, .. }: &Replica,
        database: SocketAddr,
        ca: &str,
        orders: &str,
        account: &str,
    ) {
        agent.configure(ca, &self.bind.addresses(), orders, account);
        let folder = agent.folder().display();
        std::fs::write(agent.path("password"), "wonder").unwrap();
        agent.edit(
            &format!("state = \"sqlite://{folder}/state.db\""),
            &format!(
                "state = \"postgres://dcv@{database}/dcv\"\nstate_password = {{ file = \"{folder}/password\" }}\ntakeover_seconds = 6",
            ),
        );
    }

    pub(crate) fn start(&mut self, number: usize) {
        let replica = &mut self.replicas[number];
        replica.daemon = Some(replica.agent.daemon());
    }

    pub(crate) fn start_all(&mut self) {
        (0..self.replicas.len()).for_each(|number| self.start(number));
    }

    /// How many rows there are; none before the first replica has made the tables.
    pub(crate) fn count(&self, of: &str) -> usize {
        if self.database.sql("dcv", "SELECT to_regclass('dcv_agent')").is_empty() {
            return 0;
        }
        self.database.sql("dcv", &format!("SELECT count(*) FROM {of}")).parse().unwrap()
    }

    pub(crate) fn issued(&self, order: u64) -> bool {
        self.ca.order_status(order).as_deref() == Some("issued")
    }

    pub(crate) fn logs(&self) -> String {
        self.replicas.iter().map(|replica| replica.agent.log() + "\n--\n").collect()
    }

    /// Waits until these are issued and nothing is held any more, and sees that what others have stands as it stood.
    pub(crate) fn settles(&self, orders: &[u64], limit: Duration) {
        let end = Instant::now() + limit;
        loop {
            let open = orders.iter().filter(|order| !self.issued(**order)).count();
            let held = self.count("held");
            if (open, held) == (0, 0) {
                break;
            }
            assert!(
                Instant::now() < end,
                "{open} orders are open, {held} records are held:\n{}\n{}\n{}",
                self.database.sql("dcv", "SELECT * FROM held LIMIT 5"),
                self.database.sql("dcv", "SELECT account, id, replica, news FROM work LIMIT 9"),
                self.logs()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
        for n in 0..orders.len() {
            assert_eq!(self.bind.txt(&host(n)), [FOREIGN], "{}", host(n));
        }
        assert_eq!(self.ca.stats().throttled, 0);
    }

    /// How many checks each of these orders has cost.
    pub(crate) fn most_checks(&self, orders: &[u64]) -> u64 {
        let stats = self.ca.stats();
        let checks = |order: &u64| stats.order(*order).calls.get(&Endpoint::CheckDcv).copied().unwrap_or(0);
        orders.iter().map(checks).max().unwrap_or(0)
    }
}
