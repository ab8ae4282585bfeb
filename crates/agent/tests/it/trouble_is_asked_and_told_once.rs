//! What is everybody's trouble, a refused TSIG key, a CA that is away, a silent server, is found out by one call and told
//! once; and whoever is asked to stop meanwhile stops.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use dcv_agent::{clock, state::State};
use dcv_sandbox::ca::{Fault, FaultKind, OrderSpec};
use tokio::net::UdpSocket;

use super::{
    strangers_at_the_pages::{ask, listening},
    support::{
        Bind, Finished, eventually,
        front::{Front, Relay},
        lab::privileged,
        scene::Scene,
        web,
    },
};

fn hosts(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("h{n}.dcv.test")).collect()
}

fn place(scene: &Scene, hosts: &[String]) -> Vec<u64> {
    hosts.iter().map(|host| scene.ca.place(OrderSpec::dv([host.as_str()]))).collect()
}

/// Fifty orders and a TSIG secret that is wrong: the server refuses a few updates, not one for each order, and one line of
/// the log tells it.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_tsig_key_is_asked_about_once() {
    let hosts = hosts(50);
    let scene = Scene::new(Bind::start(&hosts, "", false)).await;
    let orders = place(&scene, &hosts);
    scene.configure(&orders, "");
    let secret = scene.agent.path("tsig.key");
    let right = std::fs::read(&secret).unwrap();
    std::fs::write(&secret, "d3JvbmctYnV0LXdlbGwtZm9ybWVkLWJhc2U2NC1zZWNyZXQh").unwrap();
    let run = scene.agent.run(&["--once", "--timeout", "30s"]);
    assert_eq!(run.code, 78, "{run:?}");
    assert!(run.out.contains("BADSIG") && run.out.contains("and 47 more for the same reason"), "{run:?}");
    assert_eq!(run.err.lines().filter(|line| line.contains("BADSIG")).count(), 1, "{run:?}");
    let refused = scene.bind.log().matches("BADSIG").count();
    // The name server may log each refusal on two lines.
    assert!((1..=4).contains(&refused), "{refused}");
    std::fs::write(&secret, right).unwrap();
    scene.validates(&orders);
}

/// One name that may not be written does not hold up the others, and is found in fewer updates than there are orders.
#[tokio::test(flavor = "multi_thread")]
async fn one_refused_name_costs_the_others_nothing() {
    let hosts = hosts(40);
    let granted: Vec<String> = hosts.iter().filter(|host| *host != "h17.dcv.test").cloned().collect();
    let scene = Scene::new(Bind::start(&granted, "", false)).await;
    let orders = place(&scene, &hosts);
    scene.configure(&orders, "");
    let run = scene.agent.run(&["--once", "--timeout", "60s"]);
    assert_eq!(run.code, 78, "{run:?}");
    for (order, host) in orders.iter().zip(&hosts) {
        assert_eq!(scene.issued(*order), host != "h17.dcv.test", "{host}: {run:?}");
    }
    let denied = scene.bind.log().matches("update failed: rejected by secure update").count();
    assert!((1..20).contains(&denied), "{denied}");
}

/// Where datagrams to the update server are dropped that is noticed once, not paid for at each name.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_silent_by_udp_is_asked_by_tcp() {
    let hosts = hosts(20);
    let scene = Scene::new(Bind::start(&hosts, "", false)).await;
    let orders = place(&scene, &hosts);
    scene.configure(&orders, "");
    let relay = Relay::start().await;
    relay.lead_to(scene.bind.primary());
    let silent = UdpSocket::bind(relay.address).await.unwrap();
    let datagrams = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&datagrams);
    let swallow = tokio::spawn(async move {
        while silent.recv_from(&mut [0; 2048]).await.is_ok() {
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    scene
        .agent
        .edit(&format!("server = \"{}\"", scene.bind.primary()), &format!("server = \"{}\"", relay.address));
    scene.validates(&orders);
    swallow.abort();
    let datagrams = datagrams.load(Ordering::Relaxed);
    assert!((1..=8).contains(&datagrams), "{datagrams} datagrams were sent to a server that answers none");
}

/// A CA that fails for everybody: one line when that begins and one when it is over; `/readyz`, `/metrics` and `status` name
/// it meanwhile, and the agent stays ready.
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_ca_is_told_while_it_lasts() {
    let hosts = hosts(5);
    let scene = Scene::new(Bind::start(&hosts, "", false)).await;
    let orders = place(&scene, &hosts);
    scene.configure(&orders, "timeout_seconds = 2");
    scene.ca.fault(Fault::always(FaultKind::Http503));
    let address = web::address();
    let daemon = listening(&scene.agent, address, "");
    let get = |path: &str| {
        let (status, body) =
            ask(address, &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n")).unwrap();
        assert_eq!(status, 200, "{body}");
        body
    };
    eventually("/readyz names it", Duration::from_secs(20), || {
        get("/readyz").contains("account main: DigiCert cannot serve requests")
            || get("/readyz").contains("503")
    });
    assert!(get("/readyz").starts_with("ready\n"), "{}", get("/readyz"));
    assert!(get("/metrics").contains("dcv_agent_trouble_seconds{subject=\"account main\"}"));
    eventually("`status` names it", Duration::from_secs(10), || {
        scene.agent.run(&["status"]).out.contains("account main: ")
    });
    let told = |what: &str| scene.agent.log().lines().filter(|line| line.contains(what)).count();
    assert_eq!(told(" WARN "), 1, "{}", scene.agent.log());
    scene.ca.clear_faults();
    eventually("the orders are issued", Duration::from_secs(60), || {
        orders.iter().all(|&order| scene.issued(order))
    });
    assert_eq!((told(" WARN "), told("DigiCert answers again")), (1, 1), "{}", scene.agent.log());
    eventually("nothing is named any more", Duration::from_secs(10), || get("/readyz") == "ready\n");
    eventually("nor by `status`", Duration::from_secs(10), || {
        !scene.agent.run(&["status"]).out.contains("in trouble")
    });
    assert_eq!(daemon.stop().0, 0);
}

/// A reload waits for changes that are under way, a stop does not: whoever asks to stop during a reload is obeyed.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_during_a_reload_is_obeyed() {
    let scene = Scene::new(Bind::start(&hosts(1), "", false)).await;
    let front = Front::before(scene.bind.primary()).await;
    front.hold();
    let orders = place(&scene, &hosts(1));
    scene.configure(&orders, "");
    scene
        .agent
        .edit(&format!("server = \"{}\"", scene.bind.primary()), &format!("server = \"{}\"", front.address));
    let daemon = scene.agent.daemon();
    eventually("a removal is under way", Duration::from_secs(15), || front.waited() > 0);
    daemon.signal("HUP");
    eventually("the reload has begun", Duration::from_secs(10), || {
        scene.agent.log().contains("configuration reloaded")
    });
    let (code, _) = daemon.stop();
    assert_eq!(code, 0, "{}", scene.agent.log());
    assert_eq!(scene.held().len(), 1, "what may still be there is known");
    front.let_go();
    scene.validates(&orders);
}

/// A run that is interrupted says what it leaves, and what removes it.
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_run_says_what_is_left() {
    let hosts = hosts(3);
    let scene = Scene::with_blind_ca(Bind::start(&hosts, "", false)).await;
    let orders = place(&scene, &hosts);
    scene.configure(&orders, "");
    let run = scene.agent.command(&["--once", "--timeout", "60s"]);
    let child = {
        let mut run = run;
        run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    eventually("the values are up", Duration::from_secs(15), || {
        hosts.iter().all(|host| !scene.bind.txt(host).is_empty())
    });
    eventually("they are known to be", Duration::from_secs(15), || scene.checks() >= 3);
    let interrupted = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(interrupted.unwrap().success());
    let ended = Finished::from(child.wait_with_output().unwrap());
    assert_eq!(ended.code, 75, "{ended:?}");
    assert!(ended.out.contains("3 records or files of ours are still up"), "{ended:?}");
    scene.let_the_ca_see();
    assert!(!scene.validates(&orders).out.contains("still up"));
}

/// Commands that only look leave no trace: neither a line in the ledger, nor a call in the agent's memory of its rate.
#[tokio::test(flavor = "multi_thread")]
async fn explaining_leaves_no_trace() {
    let scene = Scene::with_blind_ca(Bind::start(&hosts(1), "", false)).await;
    let orders = place(&scene, &hosts(1));
    scene.configure(&orders, "");
    let ledger = scene.agent.path("ledger");
    scene.agent.append(&format!("[ledger]\nfolder = \"{}\"\n", ledger.display()));
    let run = scene.agent.run(&["--once", "--timeout", "3s"]);
    assert_eq!(run.code, 75, "{run:?}");
    let state = scene.agent.path("state.db");
    let calls = async || {
        let state = State::open_existing(&dcv_agent::state::Location::File(state.clone())).await.unwrap();
        let calls = state.called("main", clock::now()).await.unwrap().len();
        state.close().await;
        calls
    };
    let record = || std::fs::read(ledger.join("ledger.jsonl")).unwrap();
    let before = (calls().await, record());
    let asked = scene.ca.stats().total;
    let order = orders[0].to_string();
    for command in [&["explain", &order][..], &["plan"], &["doctor"], &["status"], &["check"]] {
        let run = scene.agent.run(command);
        assert!([0, 1, 75].contains(&run.code), "{command:?}: {run:?}");
    }
    assert!(scene.ca.stats().total > asked, "nobody has asked anything");
    assert_eq!((calls().await, record()), before);
}

/// The state was lost: a value whose order is still open is taken over and goes with it; one that nobody waits for any more is
/// named by `doctor`, and left where it is.
#[tokio::test(flavor = "multi_thread")]
async fn values_of_a_lost_state_are_taken_over_or_named() {
    let hosts = hosts(2);
    let scene =
        Scene::with_blind_ca(Bind::start(&hosts, "_dnsauth.h1 TXT \"v=something else\"", false)).await;
    let orders = place(&scene, &hosts);
    scene.configure(&orders, "");
    let run = scene.agent.run(&["--once", "--timeout", "5s"]);
    assert_eq!(run.code, 75, "{run:?}");
    assert!(!scene.agent.run(&["doctor"]).out.contains("unknown-value"), "what is in the state is known");
    for file in ["state.db", "state.db-wal", "state.db-shm"] {
        let _ = std::fs::remove_file(scene.agent.path(file));
    }
    let named = |out: &str| out.lines().filter(|line| line.contains("unknown-value")).count();
    let doctor = scene.agent.run(&["doctor"]);
    assert_eq!(named(&doctor.out), 2, "{doctor:?}");

    assert!(scene.ca.cancel(orders[1]));
    scene.let_the_ca_see();
    let before = scene.bind.txt(&hosts[1]);
    let run = scene.agent.run(&["--once", "--timeout", "30s"]);
    assert!(scene.issued(orders[0]) && scene.bind.txt(&hosts[0]).is_empty(), "{run:?}");
    let doctor = scene.agent.run(&["doctor"]);
    assert_eq!(named(&doctor.out), 1, "{doctor:?}");
    assert!(doctor.out.contains("_dnsauth.h1.dcv.test TXT"), "{doctor:?}");
    assert_eq!(scene.bind.txt(&hosts[1]), before, "doctor never removes anything");
}

/// The disk is full while orders come in: nothing is published that a crash would forget, `/readyz` says so; with room again the
/// orders go on, and after a kill everything that is up is known.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_publishes_nothing_that_would_be_forgotten() {
    let hosts = hosts(28);
    let scene = Scene::with_blind_ca(Bind::start(&hosts, "", false)).await;
    scene.configure(&[], "discover = { only = [\"*.dcv.test\"], every_seconds = 5 }");
    let disk = SmallDisk::mount(&scene.agent.path("disk"));
    scene.agent.edit("/state.db", "/disk/state.db");
    let address = web::address();
    scene.agent.edit("listen = \"\"", &format!("listen = \"{address}\""));
    let readyz = || ask(address, &format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\n\r\n"));
    let mut daemon = disk.spawn(scene.agent.command(&[]));
    eventually("the agent is ready", Duration::from_secs(20), || {
        readyz().is_some_and(|(code, _)| code == 200)
    });
    disk.fill();
    place(&scene, &hosts);
    eventually("the trouble is told", Duration::from_secs(30), || {
        readyz().is_some_and(|(code, body)| code == 503 && body.contains("the state file cannot be written"))
    });
    let up = || hosts.iter().filter(|host| !scene.bind.txt(host).is_empty()).count();
    let before = up();
    assert!(before < hosts.len(), "the disk was not full");
    disk.empty();
    eventually("the orders go on", Duration::from_secs(60), || up() == hosts.len());
    eventually("and the agent is ready", Duration::from_secs(20), || {
        readyz().is_some_and(|(code, _)| code == 200)
    });
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    assert_eq!(
        disk.run(scene.agent.command(&["status", "--output", "json"])).json()["held"]
            .as_array()
            .unwrap()
            .len(),
        28
    );
    scene.let_the_ca_see();
    let run = disk.run(scene.agent.command(&["--once", "--timeout", "60s"]));
    assert_eq!((run.code, up()), (0, 0), "{run:?}");
}

/// A file system of a megabyte, in a mount namespace that a child process holds.
struct SmallDisk {
    holder: Child,
    path: PathBuf,
}

impl SmallDisk {
    fn mount(path: &Path) -> Self {
        std::fs::create_dir(path).unwrap();
        let script = "mount -t tmpfs -o size=1m none \"$1\" && echo ready && read -r forever";
        let mut holder = privileged("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"])
            .arg(path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self { holder, path: path.to_owned() }
    }

    /// The command, on this disk.
    fn command(&self, command: &Command) -> Command {
        let mut inside = privileged("nsenter");
        inside.args(["--mount", "--target", &self.holder.id().to_string()]);
        inside.arg(command.get_program()).args(command.get_args()).stdin(Stdio::null());
        inside
    }

    fn spawn(&self, command: Command) -> Child {
        self.command(&command).spawn().unwrap()
    }

    fn run(&self, command: Command) -> Finished {
        Finished::from(self.command(&command).output().unwrap())
    }

    fn fill(&self) {
        let mut fill = Command::new("dd");
        fill.args(["if=/dev/zero", "bs=1k"]).arg(format!("of={}", self.path.join("filler").display()));
        let full = self.run(fill);
        assert_ne!(full.code, 0, "the disk has no end");
    }

    fn empty(&self) {
        let mut empty = Command::new("rm");
        empty.arg(self.path.join("filler"));
        assert_eq!(self.run(empty).code, 0);
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // At the end of its input it ends, and the mount with it.
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}
