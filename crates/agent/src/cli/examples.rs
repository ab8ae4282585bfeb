//! Examples below each command's help. A test reads them as command lines.

pub(super) const RUN: &str = "\
Examples:
  dcv-agent run
  dcv-agent run --once --timeout 30m
  dcv-agent --once --output json";

pub(super) const CHECK: &str = "\
Examples:
  dcv-agent check
  dcv-agent check --config ./config.toml";

pub(super) const PLAN: &str = "\
Examples:
  dcv-agent plan
  dcv-agent plan --cnames
  dcv-agent plan --cnames --into dcv.example.com";

pub(super) const STATUS: &str = "\
Examples:
  dcv-agent status
  dcv-agent status --output json";

pub(super) const EXPLAIN: &str = "\
Examples:
  dcv-agent explain 112233
  dcv-agent explain --domain www.example.com
  dcv-agent explain --domain *.example.com --output json";

pub(super) const DOCTOR: &str = "\
Examples:
  dcv-agent doctor
  dcv-agent doctor --write
  dcv-agent doctor --write --at www.example.com
  dcv-agent doctor --api --report answers.json";

pub(super) const CONFORMANCE: &str = "\
Examples:
  dcv-agent conformance --provider corp-bind --zone test.example.com";

pub(super) const POLICY: &str = "\
Examples:
  dcv-agent policy corp-bind
  dcv-agent policy corp-bind --cname
  dcv-agent policy --ignore octodns";

pub(super) const LEDGER: &str = "\
Examples:
  dcv-agent ledger verify
  dcv-agent ledger show 112233";

pub(super) const STATE: &str = "\
Examples:
  dcv-agent state copy sqlite:///var/lib/dcv-agent/state.db postgres://dcv@db.example.com/dcv
  dcv-agent state copy sqlite:///old.db postgres://dcv@db.example.com/dcv --password-file ./password";

pub(super) const LEDGER_VERIFY: &str = "\
Examples:
  dcv-agent ledger verify
  dcv-agent ledger verify --folder ./copy-of-the-ledger";

pub(super) const LEDGER_SHOW: &str = "\
Examples:
  dcv-agent ledger show 112233
  dcv-agent ledger show 112233 --output json";

#[cfg(feature = "demo")]
pub(super) const DEMO: &str = "\
Examples:
  dcv-agent demo
  dcv-agent demo --quiet";

#[cfg(feature = "demo")]
pub(super) const SANDBOX: &str = "\
Examples:
  dcv-agent sandbox --folder ./sandbox
  dcv-agent --config ./sandbox/config.toml --once
  dcv-agent sandbox --folder ./sandbox --order www.example.com,shop.example.org
  dcv-agent sandbox --folder ./sandbox --zone example.com --lag 1500";
