//! The least that a credential has to be allowed, as text to copy into a vendor's or server's configuration.

use dcv_core::{DomainName, Owner};

use crate::Zone;

/// What the agent has to be allowed in one zone.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The zone.
    pub zone: Zone,
    /// Names that are known to be written at.
    pub names: Vec<DomainName>,
    /// At which of a domain's names further ones lie, which are not known beforehand, if there may be any.
    pub further: Option<Owner>,
    /// CNAME records are written, too (method `dns-cname-token`).
    pub aliases: bool,
}

impl Grant {
    /// The record types.
    #[must_use]
    pub fn types(&self) -> &'static [&'static str] {
        if self.aliases { &["TXT", "CNAME"] } else { &["TXT"] }
    }

    /// Names, and patterns in which `*` stands for any characters, dots included, as IAM has it.
    #[must_use]
    pub fn patterns(&self) -> Vec<String> {
        let zone = &self.zone.name;
        let below = [format!("_dnsauth.{zone}"), format!("_dnsauth.*.{zone}")];
        let bare = [zone.to_string(), format!("*.{zone}")];
        match self.further {
            None => self.names.iter().map(DomainName::to_string).collect(),
            Some(Owner::Dnsauth) => below.to_vec(),
            Some(Owner::Bare) => bare.to_vec(),
            Some(Owner::Both) => [below, bare].concat(),
        }
    }
}

/// Something to copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What it is and where it belongs.
    pub title: String,
    /// The text.
    pub text: String,
}

impl Policy {
    /// A text for this place.
    #[must_use]
    pub fn new(title: impl Into<String>, text: impl Into<String>) -> Self {
        Self { title: title.into(), text: text.into() }
    }
}

/// For kinds behind which somebody else's credential is: types and names, a line each.
#[cfg(any(feature = "exec", feature = "webhook", feature = "vendors"))]
pub(crate) fn needs(grants: &[Grant]) -> String {
    let line = |grant: &Grant| {
        let types = grant.types().join(" and ");
        let names =
            grant.patterns().into_iter().map(move |name| format!("add and remove {types} at {name}\n"));
        names.collect::<String>()
    };
    grants.iter().map(line).collect()
}

#[cfg(test)]
#[cfg(any(feature = "route53", feature = "rfc2136", feature = "azure", feature = "google"))]
mod tests {
    use super::*;
    use crate::Settings;

    fn grant(names: &[&str], further: Option<Owner>) -> Grant {
        let zone = Zone { name: "example.com".parse().unwrap(), id: Some("Z1".to_owned()) };
        let names = names.iter().map(|name| name.parse().unwrap()).collect();
        Grant { zone, names, further, aliases: false }
    }

    fn texts(settings: &str, grants: &[Grant]) -> Vec<Policy> {
        serde_json::from_str::<Settings<String>>(settings).unwrap().policies(grants)
    }

    /// The actions, names and types of IAM's conditions, each for its own zone.
    #[test]
    #[cfg(feature = "route53")]
    fn iam_is_told_names_types_and_actions() {
        let exact = grant(&["_dnsauth.example.com", "_dnsauth.www.example.com"], None);
        let open = grant(&[], Some(Owner::Both));
        let policies = texts(r#"{ "route53": { "role_arn": "arn:aws:iam::1:role/dcv" } }"#, &[exact, open]);
        assert_eq!(policies.len(), 2, "the role is assumed by somebody");
        let document: serde_json::Value = serde_json::from_str(&policies[0].text).unwrap();
        let statement = &document["Statement"][0];
        assert_eq!(statement["Resource"], "arn:aws:route53:::hostedzone/Z1");
        let condition = &statement["Condition"];
        let names =
            &condition["ForAllValues:StringLike"]["route53:ChangeResourceRecordSetsNormalizedRecordNames"];
        assert_eq!(*names, serde_json::json!(["_dnsauth.example.com", "_dnsauth.www.example.com"]));
        let exact = &condition["ForAllValues:StringEquals"];
        assert_eq!(exact["route53:ChangeResourceRecordSetsRecordTypes"], serde_json::json!(["TXT"]));
        assert_eq!(exact["route53:ChangeResourceRecordSetsActions"], serde_json::json!(["CREATE", "DELETE"]));
        let open = document["Statement"][1].to_string();
        assert!(open.contains("\"*.example.com\"") && open.contains("\"_dnsauth.*.example.com\""), "{open}");
        assert!(!policies[0].text.contains("ListHostedZonesByName"), "a zone with an id needs no listing");
        assert!(policies[1].text.contains("sts:AssumeRole"));
    }

    /// Knot's names are relative to the zone, and the apex is written out.
    #[test]
    #[cfg(feature = "rfc2136")]
    fn knot_is_told_names_relative_to_the_zone() {
        let settings =
            r#"{ "rfc2136": { "server": "192.0.2.53:53", "tsig": { "name": "k.", "secret": "s" } } }"#;
        let policies = texts(settings, &[grant(&["_dnsauth.www.example.com", "example.com"], None)]);
        let knot = &policies.iter().find(|policy| policy.title.starts_with("Knot")).unwrap().text;
        assert!(knot.contains("update-owner-name: [ _dnsauth.www, example.com. ]"), "{knot}");
        assert!(knot.contains("key: k\n"), "{knot}");
    }

    /// Azure's role names the record types, and is given on the zones of the configuration.
    #[test]
    #[cfg(feature = "azure")]
    fn azure_is_told_types_and_zones() {
        let by_group =
            Grant { zone: Zone { name: "example.org".parse().unwrap(), id: None }, ..grant(&[], None) };
        let settings = r#"{ "azure": { "subscription": "0b1f", "resource_group": "rg" } }"#;
        let policies = texts(settings, &[Grant { aliases: true, ..by_group.clone() }]);
        let role: serde_json::Value = serde_json::from_str(&policies[0].text).unwrap();
        let actions = role["Actions"].to_string();
        assert!(
            actions.contains("dnsZones/TXT/write") && actions.contains("dnsZones/CNAME/delete"),
            "{actions}"
        );
        assert!(!actions.contains('*') && !actions.contains("dnsZones/write"), "{actions}");
        assert!(policies[1].text.contains(
            "/subscriptions/0b1f/resourceGroups/rg/providers/Microsoft.Network/dnsZones/example.org\""
        ));
        let texts_only = texts(settings, &[by_group]);
        assert!(!texts_only[0].text.contains("CNAME"));
    }

    /// Google's is given on zones; to list them is a matter of the project, and said only where it is needed.
    #[test]
    #[cfg(feature = "google")]
    fn google_is_told_zones() {
        let settings = r#"{ "google": { "project": "p" } }"#;
        let told = |grants: &[Grant]| {
            texts(settings, grants).iter().map(|policy| policy.text.clone()).collect::<String>()
        };
        let exact = told(&[grant(&["_dnsauth.example.com"], None)]);
        assert!(exact.contains("set-iam-policy Z1 ") && exact.contains("dns.changes.create"), "{exact}");
        assert!(!exact.contains("managedZones.list") && !exact.contains("delete.all"), "{exact}");
        let by_name = Zone { name: "example.org".parse().unwrap(), id: None };
        let open = told(&[Grant { zone: by_name, ..grant(&[], None) }]);
        assert!(open.contains("dns.managedZones.list"), "{open}");
    }
}
