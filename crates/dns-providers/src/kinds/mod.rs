//! Which kinds of provider there are. A kind is its file, its facts, its line below and its cargo feature; or a row of the table
//! in `vendors`.

mod declare;
#[cfg(feature = "vendors")]
pub mod vendors;

use std::{convert::Infallible, fmt, marker::PhantomData, sync::Arc};

use async_trait::async_trait;
use serde::{
    Deserialize, Deserializer,
    de::{self, EnumAccess, VariantAccess as _, Visitor},
};

use self::declare::kinds;
use crate::{
    DnsProvider, Error, Secret,
    policy::{Grant, Policy},
};

/// A kind of provider, as far as its settings are concerned.
#[async_trait]
pub trait Kind: DnsProvider + Sized {
    /// `[providers.<name>]` of this kind, its secrets of type `S`: a reference while the file is read, a source when the
    /// provider is built.
    type Settings<S>;

    /// What users should know of it, in TOML; `docs/providers.md` is made of it.
    const FACTS: &'static str;

    /// Whether a set's time to live is listed with it, so that it can be told when it changes; a kind that asks somebody
    /// else's program hears of it or not.
    const LISTS_TTL: bool = true;

    /// The provider that the settings describe. Connects to nothing yet.
    ///
    /// # Errors
    /// When a setting cannot be used.
    async fn build(name: &str, settings: Self::Settings<Secret>) -> Result<Self, Error>;

    /// The same settings with other secrets.
    fn map_secrets<S, T>(settings: Self::Settings<S>, secret: impl Fn(S) -> T) -> Self::Settings<T>;

    /// Every secret.
    fn secrets<S>(settings: &Self::Settings<S>) -> Vec<&S>;

    /// The least that the credential has to be allowed for these, as text to copy.
    fn policies<S>(settings: &Self::Settings<S>, grants: &[Grant]) -> Vec<Policy>;
}

kinds! {
    /// Dynamic update (RFC 2136) with TSIG.
    "rfc2136" => rfc2136::Rfc2136,
    /// Amazon Route 53.
    "route53" => route53::Route53,
    /// Cloudflare.
    "cloudflare" => cloudflare::Cloudflare,
    /// Azure DNS.
    "azure" => azure::Azure,
    /// Google Cloud DNS.
    "google" => google::Google,
    /// PowerDNS Authoritative Server, by its HTTP API.
    "powerdns" => powerdns::PowerDns,
    /// A command: in our own protocol, or as acme.sh, lexicon, lego and certbot run theirs.
    "exec" => exec::Exec,
    /// An HTTP server that speaks lego's httpreq, or external-dns's protocol of webhook providers.
    "webhook" => webhook::Webhook,
}

/// What to do where people look for a kind by another name, or for one that cannot be.
#[must_use]
pub fn instead_of(kind: &str) -> Option<&'static str> {
    let instead = match kind.to_ascii_lowercase().as_str() {
        "acme-dns" | "acmedns" | "acme_dns" => {
            "acme-dns takes values of exactly 43 characters, which DigiCert's are not; delegate _dnsauth by CNAME into a zone of another provider"
        }
        "bind" | "knot" | "nsupdate" | "dns-update" => "it is rfc2136",
        "pdns" => "it is powerdns",
        "aws" => "it is route53",
        "azuredns" | "azure-dns" => "it is azure",
        "gcp" | "gcloud" | "googlecloud" | "google-cloud-dns" | "clouddns" => "it is google",
        "acme.sh" | "acmesh" | "lexicon" | "lego" | "certbot" | "script" => "it is a mode of exec",
        "httpreq" | "external-dns" => "it is a protocol of webhook",
        _ => return None,
    };
    Some(instead)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a person reads who mistypes a kind, and what the page of providers lists.
    #[test]
    fn an_unknown_kind_is_told_with_those_there_are() {
        let error = serde_json::from_str::<Settings<String>>(r#"{ "bind": {} }"#).unwrap_err().to_string();
        let listed: Vec<_> = KINDS.iter().map(|kind| format!("`{kind}`")).collect();
        let told = error.starts_with("unknown variant `bind`, expected ");
        assert!(told && error.contains(&listed.join(", ")), "{error}");
    }

    /// Whoever is sent elsewhere finds something there.
    #[test]
    #[cfg(all(
        feature = "rfc2136",
        feature = "route53",
        feature = "azure",
        feature = "google",
        feature = "powerdns",
        feature = "exec",
        feature = "webhook"
    ))]
    fn what_people_look_for_leads_to_a_kind() {
        for name in [
            "bind",
            "pdns",
            "AWS",
            "azure-dns",
            "gcloud",
            "acme.sh",
            "lexicon",
            "certbot",
            "httpreq",
            "external-dns",
        ] {
            let told = instead_of(name).unwrap();
            assert!(told.split(' ').any(|word| KINDS.contains(&word)), "{name}: {told}");
        }
        assert!(instead_of("acme-dns").unwrap().contains("43 characters"));
        assert_eq!(instead_of("anything"), None);
    }
}
