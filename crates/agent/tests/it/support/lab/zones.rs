//! The zones of the lab: what they hold, and how the signed ones are signed and then broken.

use std::{fmt::Write as _, path::Path, process::Command};

use super::VALUE;

/// A zone that was signed with tools, and what its parent needs.
pub(super) struct Signed {
    pub(super) text: String,
    pub(super) ds: String,
}

/// It delegates two names to a server that does not serve them.
pub(super) const DCV: &str = "$TTL 5\n@ SOA ns1 hostmaster 1 5 1 86400 5\n@ NS ns1\n@ NS ns2\n@ NS ns3\n\
    ns1 A 127.0.0.4\nns2 A 127.0.0.5\nns3 A 127.0.0.6\nwww A 127.0.0.1\n\
    web A 127.0.0.1\nweb AAAA ::1\nshop CNAME web\ncut NS ns3\n_dnsauth.app NS ns3\n";

/// The child names other servers than the parent does.
pub(super) const LAME: &str = "$TTL 60\n@ SOA ns-good hostmaster 1 5 1 86400 60\n@ NS ns-good\n@ NS ns-child\n\
    ns-good A 127.0.0.4\nns-child A 127.0.0.6\n";

pub(super) const DELEG: &str = "_dnsauth.good CNAME good.dcv.test.\n\
    _dnsauth.loop CNAME _dnsauth.loop2\n_dnsauth.loop2 CNAME _dnsauth.loop\n\
    _dnsauth.dangling CNAME x.gone.test.\n_dnsauth.nowhere CNAME x.dead.test.\n\
    *.wild CNAME target.dcv.test.\ndn DNAME dcv.test.\n\
    _dnsauth.long CNAME l1\nl1 CNAME l2\nl2 CNAME l3\nl3 CNAME l4\nl4 CNAME l5\nl5 CNAME l6\nl6 CNAME l7\n\
    l7 CNAME l8\nl8 CNAME l9\nl9 CNAME long.dcv.test.\n";

pub(super) const CAA: &str = "allowed CAA 0 issue \"digicert.com\"\nother CAA 0 issue \"letsencrypt.org\"\n\
    none CAA 0 issue \";\"\nwild CAA 0 issue \"digicert.com\"\nwild CAA 0 issuewild \";\"\n\
    critical CAA 128 tbs \"x\"\ncritical CAA 0 issue \"digicert.com\"\n\
    account CAA 0 issue \"digicert.com; account=1234567\"\n";

/// Each record is wrong in a way in which people get it wrong.
pub(super) fn mistakes() -> String {
    format!(
        "_dnsauth.doubled.mistakes.test TXT \"{VALUE}\"\n_dnsauth.quoted TXT \"\\\"{VALUE}\\\"\"\n\
         _dnsauth.dotted TXT \"{VALUE}.\"\n_dnsauth.split TXT \"{}\" \"{}\"\n\
         _dnsauth TXT \"{VALUE}\"\n_dnsauth.www.low TXT \"{VALUE}\"\n",
        &VALUE[..16],
        &VALUE[16..]
    )
}

/// The apex of a zone with these servers as `ns1`, `ns2` and so on.
pub(super) fn apex(serial: u32, minimum: u32, servers: &[u8]) -> String {
    let mut text = format!("$TTL 60\n@ SOA ns1 hostmaster {serial} 5 1 86400 {minimum}\n");
    for (number, server) in (1..).zip(servers) {
        writeln!(text, "@ NS ns{number}\nns{number} A 127.0.0.{server}").unwrap();
    }
    text
}

/// What every signed zone holds.
pub(super) fn signed_body(server: u8) -> String {
    format!(
        "{}www A 127.0.0.1\n_dnsauth.www TXT \"{VALUE}\"\n_dnsauth.alias CNAME good.dcv.test.\ndn DNAME deleg.test.\n",
        apex(1, 300, &[server])
    )
}

/// The delegation of a zone to these servers.
pub(super) fn delegation(zone: &str, servers: &[u8]) -> String {
    let mut text = String::new();
    for (number, server) in (1..).zip(servers) {
        writeln!(text, "{zone}. NS ns{number}.{zone}.\nns{number}.{zone}. A 127.0.0.{server}").unwrap();
    }
    text
}

/// A key for offline signing.
const OFFLINE: [&str; 4] = ["-a", "ECDSAP256SHA256", "-f", "KSK"];
/// A key that BIND takes for its policy `default`; it passes over a plain key signing key and makes one of its own.
pub(super) const BY_POLICY: [&str; 2] = ["-k", "default"];

/// Makes a key for a zone and returns the path of its public half.
pub(super) fn key(folder: &Path, zone: &str, options: &[&str]) -> String {
    let name = run(Command::new("dnssec-keygen").arg("-q").args(options).arg("-K").arg(folder).arg(zone));
    folder.join(format!("{}.key", name.trim())).display().to_string()
}

/// The DS record of a key that the zone does not have.
pub(super) fn foreign_ds(folder: &Path, zone: &str) -> String {
    ds(&key(folder, zone, &OFFLINE))
}

/// The DS record of a key.
pub(super) fn ds(key: &str) -> String {
    run(Command::new("dnssec-dsfromkey").args(["-2", key]))
}

/// Signs a zone with a new key.
pub(super) fn sign(folder: &Path, zone: &str, body: &str, options: &[&str]) -> Signed {
    let ds = ds(&key(folder, zone, &OFFLINE));
    let plain = folder.join(format!("plain-{zone}"));
    let signed = folder.join(format!("signed-{zone}"));
    std::fs::write(&plain, body).unwrap();
    // -P: the tool would refuse to write a zone whose signatures have expired.
    run(Command::new("dnssec-signzone")
        .args(["-q", "-S", "-z", "-P", "-O", "full", "-o", zone])
        .arg("-K")
        .arg(folder)
        .arg("-d")
        .arg(folder)
        .arg("-f")
        .arg(&signed)
        .args(options)
        .arg(&plain));
    Signed { text: std::fs::read_to_string(signed).unwrap(), ds }
}

/// The zone without the records of these types and without their signatures.
pub(super) fn without(text: &str, kinds: &[&str]) -> String {
    let kept = text.lines().filter(|line| {
        let mut fields = line.split_whitespace().skip(3);
        let kind = fields.next().unwrap_or_default();
        let covered = fields.next().unwrap_or_default();
        let subject = if kind == "RRSIG" { covered } else { kind };
        !kinds.contains(&subject)
    });
    kept.map(|line| format!("{line}\n")).collect()
}

/// The records with an algorithm that nobody has assigned, in keys, signatures and DS.
pub(super) fn with_unknown_algorithm(text: &str) -> String {
    let edited = text.lines().map(|line| {
        let mut fields: Vec<_> = line.split_whitespace().collect();
        // The type is the third or fourth field; further on, an NSEC record lists types as well.
        let kind = fields.iter().take(4).position(|field| ["DNSKEY", "RRSIG", "DS"].contains(field));
        let algorithm = match kind {
            Some(at) if fields[at] == "DNSKEY" => at + 3,
            Some(at) => at + 2,
            None => return format!("{line}\n"),
        };
        fields[algorithm] = "200";
        format!("{}\n", fields.join(" "))
    });
    edited.collect()
}

fn run(command: &mut Command) -> String {
    let output = command.output().expect("the DNSSEC tools are missing; install the package bind9-utils");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
