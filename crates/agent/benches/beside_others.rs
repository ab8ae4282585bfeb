//! The same work by several tools: publish N values at `_dnsauth`, see them at a primary and its secondary, remove them.
//!
//! In one run, in turn: `nsupdate` in one batch with `dig`, `octodns` with its BIND provider, and the agent, once with orders
//! of 250 names and once with one name an order. The agent also asks a CA that answers at once, and keeps a durable state.
//! `cargo bench --package dcv-agent --bench beside_others`; it needs what `make setup` installs, and some minutes.
//! `ROUNDS=3 NAMES=1,100` makes it shorter, `TOOLS=agent-250` picks.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement may panic, prints its figures and looks at the clock"
)]

#[expect(dead_code, reason = "the tests use all of it, a measurement a part")]
#[path = "../tests/it/support/mod.rs"]
mod support;

use std::{
    fmt::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use axum::{Json, Router, extract::Path as Route, routing::put};
use serde_json::{Value, json};

use self::support::{BINARY, TSIG, pair::Pair, read};

/// Names of one order, where orders have many.
const NAMES_PER_ORDER: usize = 250;

fn main() {
    // `cargo test` runs benches once to see that they start; a measurement is not a test.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let setting = |name: &str, usual: &str| std::env::var(name).unwrap_or_else(|_| usual.to_owned());
    let rounds: usize = setting("ROUNDS", "7").parse().unwrap();
    let counts: Vec<usize> =
        setting("NAMES", "1,10,100,1000").split(',').map(|count| count.parse().unwrap()).collect();
    let picked = setting("TOOLS", "nsupdate,octodns,agent-250,agent-1");
    let picked: Vec<&str> = picked.split(',').collect();

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let ca = runtime.block_on(prompt_ca());
    let bench = Bench { pair: Pair::start(), ca, folder: tempfile::tempdir().unwrap() };
    println!(
        "{:>6}  {:<10} {:>9} {:>9} {:>7} {:>6}  (medians of {rounds})",
        "names", "tool", "wall s", "× nsupd.", "CPU s", "MB"
    );
    for count in counts {
        let tools: Vec<(&str, Command)> =
            picked.iter().map(|tool| (*tool, bench.prepare(tool, count))).collect();
        let mut figures: Vec<Vec<Run>> = tools.iter().map(|_| Vec::new()).collect();
        for _ in 0..rounds {
            for ((tool, command), figures) in tools.iter().zip(&mut figures) {
                figures.push(bench.run(tool, command));
            }
        }
        let mut beside = None;
        for ((tool, _), runs) in tools.iter().zip(&mut figures) {
            let wall = median(runs.iter().map(|run| run.wall.as_secs_f64()));
            let beside = *beside.get_or_insert(wall);
            let (cpu, memory) =
                (median(runs.iter().map(|run| run.cpu)), median(runs.iter().map(|run| run.memory)));
            println!("{count:>6}  {tool:<10} {wall:>9.3} {:>9.2} {cpu:>7.2} {memory:>6.0}", wall / beside);
        }
    }
}

/// What one run took.
struct Run {
    wall: Duration,
    /// Of the tool and its children, in seconds.
    cpu: f64,
    /// The most that the largest process had, in megabytes.
    memory: f64,
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

struct Bench {
    pair: Pair,
    ca: SocketAddr,
    folder: tempfile::TempDir,
}

impl Bench {
    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// Runs it once; nothing of it is left afterwards.
    fn run(&self, tool: &str, command: &Command) -> Run {
        let _ = std::fs::remove_dir_all(self.path("state"));
        let figures = self.path("figures");
        let mut timed = Command::new("/usr/bin/time");
        timed.args(["--format", "%U %S %M", "--output"]).arg(&figures);
        timed.arg(command.get_program()).args(command.get_args());
        let (out, log) = (self.path("out"), self.path("log"));
        timed.stdin(Stdio::null()).stdout(std::fs::File::create(&out).unwrap());
        timed.stderr(std::fs::File::create(&log).unwrap());
        let start = Instant::now();
        let status = timed.status().expect("time is missing; install the package time");
        let wall = start.elapsed();
        assert!(status.success(), "{tool}: {status}: {} {}", read(&out), read(&log));
        let figures = read(&figures);
        let figures: Vec<f64> = figures.split_whitespace().map(|figure| figure.parse().unwrap()).collect();
        let left = support::dig(self.pair.primary, "_dnsauth.n0.dcv.test", "TXT");
        assert!(left.is_empty(), "{tool} leaves {left:?}");
        Run { wall, cpu: figures[0] + figures[1], memory: figures[2] / 1024.0 }
    }

    fn prepare(&self, tool: &str, count: usize) -> Command {
        match tool {
            "nsupdate" => self.nsupdate(count),
            "octodns" => self.octodns(count),
            "agent-250" => self.agent(count, NAMES_PER_ORDER),
            "agent-1" => self.agent(count, 1),
            other => panic!("no tool {other}"),
        }
    }

    /// One batch, and questions until both servers show all of it.
    fn nsupdate(&self, count: usize) -> Command {
        let (mut adds, mut removals, mut questions) = (self.update(), self.update(), String::new());
        for n in 0..count {
            writeln!(adds, "add _dnsauth.n{n}.dcv.test 60 TXT \"value{n}\"").unwrap();
            writeln!(removals, "del _dnsauth.n{n}.dcv.test TXT \"value{n}\"").unwrap();
            writeln!(questions, "_dnsauth.n{n}.dcv.test TXT").unwrap();
            // A message has 64 kilobytes.
            if n % 500 == 499 {
                adds += "send\n";
                removals += "send\n";
            }
        }
        adds += "send\n";
        removals += "send\n";
        let files = [("adds", adds), ("removals", removals), ("questions", questions)];
        let [adds, removals, questions] = files.map(|(name, text)| {
            let path = self.path(&format!("{name}.{count}"));
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        });
        let script = format!(
            "set -e; nsupdate -v {adds}; {}; nsupdate -v {removals}",
            self.until_both_show(count, &questions)
        );
        let mut command = Command::new("sh");
        command.args(["-c", &script]);
        command
    }

    /// Asks both servers, one after the other, until each shows every value.
    fn until_both_show(&self, count: usize, questions: &str) -> String {
        let sees = |server: SocketAddr| {
            format!(
                "until [ \"$(dig +short +norecurse -p {} @127.0.0.1 -f {questions} | grep -c value)\" = {count} ]; do :; done",
                server.port()
            )
        };
        self.pair.addresses().map(sees).join("; ")
    }

    fn update(&self) -> String {
        format!(
            "server 127.0.0.1 {}\nzone dcv.test\nkey hmac-sha256:dcv-key {TSIG}\n",
            self.pair.primary.port()
        )
    }

    /// Two runs of `octodns-sync`, with the records and without, and questions between them.
    fn octodns(&self, count: usize) -> Command {
        let [with, without] = [count, 0].map(|records| {
            let folder = self.path(&format!("octodns.{count}.{records}"));
            std::fs::create_dir_all(&folder).unwrap();
            let mut zone = "---\n".to_owned();
            for n in 0..records {
                writeln!(zone, "_dnsauth.n{n}:\n  ttl: 60\n  type: TXT\n  value: value{n}").unwrap();
            }
            if records == 0 {
                zone += "{}\n";
            }
            std::fs::write(folder.join("dcv.test.yaml"), zone).unwrap();
            let config = format!(
                "---\nproviders:\n  files:\n    class: octodns.provider.yaml.YamlProvider\n    directory: {}\n    enforce_order: false\n  \
                 bind:\n    class: octodns_bind.Rfc2136Provider\n    host: 127.0.0.1\n    port: {}\n    key_name: dcv-key\n    \
                 key_secret: {TSIG}\n    key_algorithm: hmac-sha256\nprocessors:\n  texts:\n    \
                 class: octodns.processor.filter.TypeAllowlistFilter\n    allowlist: [TXT]\nzones:\n  dcv.test.:\n    \
                 sources: [files]\n    processors: [texts]\n    targets: [bind]\n",
                folder.display(),
                self.pair.primary.port()
            );
            let path = folder.join("config.yaml");
            std::fs::write(&path, config).unwrap();
            format!("octodns-sync --quiet --config-file {} --doit --force", path.display())
        });
        let questions = self.path(&format!("questions.{count}"));
        if !questions.exists() {
            let _ = self.nsupdate(count);
        }
        let script = format!(
            "set -e; {with}; {}; {without}",
            self.until_both_show(count, &questions.display().to_string())
        );
        let mut command = Command::new("sh");
        command.args(["-c", &script]);
        command
    }

    fn agent(&self, count: usize, per_order: usize) -> Command {
        let folder = self.folder.path().display();
        std::fs::write(self.path("api.key"), "key").unwrap();
        std::fs::write(self.path("tsig.key"), TSIG).unwrap();
        let names: Vec<String> = (0..count).map(|n| format!("\"n{n}.dcv.test\"")).collect();
        let orders: Vec<String> = names
            .chunks(per_order)
            .enumerate()
            .map(|(number, names)| format!("{{ id = {}, scopes = [{}] }}", number + 1, names.join(", ")))
            .collect();
        let servers: Vec<String> =
            self.pair.addresses().iter().map(|server| format!("\"{server}\"")).collect();
        let text = format!(
            "[agent]\nstate = \"sqlite://{folder}/state/state.db\"\nlisten = \"\"\n\
             [accounts.main]\nbase_url = \"http://{}\"\ninsecure_http = true\napi_key = {{ file = \"{folder}/api.key\" }}\n\
             rate = {{ short = \"100000/5s\", long = \"1000000/300s\" }}\norders = [{}]\n\
             [providers.bind]\nkind = \"rfc2136\"\nzones = [\"dcv.test\"]\nserver = \"{}\"\n\
             tsig = {{ name = \"dcv-key.\", secret = {{ file = \"{folder}/tsig.key\" }} }}\n\
             [verify]\nresolvers = []\n[verify.authorities]\n\"dcv.test\" = [{}]\n",
            self.ca,
            orders.join(", "),
            self.pair.primary,
            servers.join(", ")
        );
        let path = self.path(&format!("agent.{count}.{per_order}.toml"));
        std::fs::write(&path, text).unwrap();
        agent(&path)
    }
}

fn agent(config: &Path) -> Command {
    let mut command = Command::new(BINARY);
    command.arg("--config").arg(config).args(["--once", "--timeout", "120s", "--output", "json"]);
    command
}

/// A CA that finds everything, at once.
async fn prompt_ca() -> SocketAddr {
    let app = Router::new()
        .route("/order/certificate/{id}/dcv-random-value", put(value))
        .route("/order/certificate/{id}/check-dcv", put(check));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

async fn value(Route(id): Route<u64>) -> Json<Value> {
    let expires = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * 30);
    let expires = expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    Json(json!({ "dcv_random_value": format!("value{id:027}"), "expiration_date": expires }))
}

async fn check() -> Json<Value> {
    Json(json!({ "order_status": "issued", "certificate_id": 7, "dcv_status": "valid" }))
}
