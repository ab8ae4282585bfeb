//! The detour for names that nobody may write to: one CNAME record, made once, leads into a zone of ours.

use std::{io::Write as _, net::SocketAddr, process::Stdio};

use dcv_sandbox::ca::OrderSpec;

use super::support::{Bind, TSIG, scene::Scene};

fn create(server: SocketAddr, record: &str) {
    let mut nsupdate = std::process::Command::new("nsupdate")
        .args(["-y", &format!("hmac-sha256:dcv-key:{TSIG}")])
        .stdin(Stdio::piped())
        .spawn()
        .expect("nsupdate is missing; install the package bind9-dnsutils");
    let script =
        format!("server {} {}\nzone other.test\nupdate add {record}\nsend\n", server.ip(), server.port());
    nsupdate.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(nsupdate.wait().unwrap().success());
}

/// The record that is printed is the record that does it: before it is there `doctor` asks for it, once it is, the order is
/// validated and nothing is left behind.
#[tokio::test(flavor = "multi_thread")]
async fn the_record_that_is_printed_is_all_it_takes() {
    let bind = Bind::serving(&["other.test"]);
    let server = bind.primary();
    let scene = Scene::with_ca(bind, |config| {
        config.authorities.insert("other.test".to_owned(), vec![server]);
    })
    .await;
    let order = scene.ca.place(OrderSpec::dv(["www.other.test"]));
    let scope = scene.ca.scopes(order)[0].0.clone();
    scene.configure_entries(&format!("{{ id = {order}, scopes = [\"{scope}\"] }}"), "");
    scene.agent.append(&format!("\"other.test\" = [\"{server}\"]\n"));

    let record = format!("_dnsauth.{scope}. 3600 IN CNAME {scope}.dcv.test.");
    let plan = scene.agent.run(&["plan", "--cnames"]);
    assert_eq!((plan.code, plan.out.trim()), (0, record.as_str()), "{plan:?}");
    let doctor = scene.agent.run(&["doctor"]);
    assert!(doctor.code == 1 && doctor.out.contains(&format!("create {record}")), "{doctor:?}");
    let elsewhere = scene.agent.run(&["plan", "--cnames", "--into", "other.test"]);
    assert!(elsewhere.code == 78 && elsewhere.err.contains("dcv.test"), "{elsewhere:?}");

    create(server, &record);
    let told = scene.json(&["plan", "--cnames"]);
    assert_eq!(told[0]["state"], "stands", "{told}");
    assert_eq!(told[0]["target"], format!("{scope}.dcv.test"), "{told}");
    let doctor = scene.agent.run(&["doctor"]);
    assert!(doctor.code == 0 && doctor.out.contains("leads to"), "{doctor:?}");
    scene.validates(&[order]);
    assert_eq!(scene.bind.at(&format!("{scope}.dcv.test"), "TXT"), [""; 0], "a value was left behind");
}
