//! The vendors: each one's name, and what the library's constructor takes of the settings.

use std::time::Duration;

use dns_update::{
    DnsUpdater, Result as Built,
    providers::{
        bluecatv2::BluecatV2Config, edgedns::EdgeDnsConfig, infoblox::InfobloxConfig, joker::JokerAuth,
        lightsail::LightsailConfig, oraclecloud::OracleCloudConfig, ovh::OvhEndpoint,
        volcengine::VolcengineConfig, yandexcloud::YandexCloudConfig,
    },
};

use crate::{
    error::{Error, What},
    given::Given,
};

/// Declares the vendors: the name, and how its updater is built of the settings.
macro_rules! vendors {
    ($given:ident, $timeout:ident; $($name:literal => $built:expr,)+) => {
        /// Every vendor, by the name that [`Updater::new`](crate::Updater::new) takes, in the order of the alphabet.
        pub const VENDORS: &[&str] = &[$($name),+];

        pub(crate) fn build(vendor: &str, $given: &Given, timeout: Duration) -> Result<DnsUpdater, Error> {
            let $timeout = Some(timeout);
            let built: Built<DnsUpdater> = match vendor {
                $($name => $built,)+
                _ => return Err(Error::new(What::Setting, format!("there is no vendor {vendor}"))),
            };
            built.map_err(|error| match Error::from_library(error) {
                // Nobody was asked yet: whatever is wrong is in the settings.
                error if error.what() == What::Said => Error::new(What::Setting, error.text()),
                error => error,
            })
        }
    };
}

vendors! { s, t;
    "alidns" => DnsUpdater::new_alidns(s.required("access_key")?, s.required("secret_key")?, s.optional("region"), s.optional("security_token"), s.optional("line"), t),
    "arvancloud" => DnsUpdater::new_arvancloud(s.required("api_key")?, t),
    "autodns" => DnsUpdater::new_autodns(s.required("username")?, s.required("password")?, number(s, "context")?, t),
    "baiducloud" => DnsUpdater::new_baiducloud(s.required("access_key")?, s.required("secret_key")?, t),
    "bluecat" => DnsUpdater::new_bluecatv2(bluecat(s, t)?),
    "bunny" => DnsUpdater::new_bunny(s.required("api_key")?, t),
    "cloudns" => DnsUpdater::new_cloudns(s.optional("auth_id"), s.optional("sub_auth_id"), s.required("auth_password")?, t),
    "constellix" => DnsUpdater::new_constellix(s.required("api_key")?, s.required("secret_key")?, t),
    "cpanel" => DnsUpdater::new_cpanel(s.required("base_url")?, s.required("username")?, s.required("token")?, t),
    "desec" => DnsUpdater::new_desec(s.required("token")?, t),
    "digitalocean" => DnsUpdater::new_digitalocean(s.required("token")?, t),
    "dnsimple" => DnsUpdater::new_dnsimple(s.required("token")?, s.required("account_id")?, t),
    "dnsmadeeasy" => DnsUpdater::new_dnsmadeeasy(s.required("api_key")?, s.required("secret_key")?, t),
    "domeneshop" => DnsUpdater::new_domeneshop(s.required("token")?, s.required("secret")?, t),
    "dreamhost" => DnsUpdater::new_dreamhost(s.required("api_key")?, t),
    "dynu" => DnsUpdater::new_dynu(s.required("api_key")?, t),
    "easydns" => DnsUpdater::new_easydns(s.required("token")?, s.required("key")?, t),
    "edgedns" => DnsUpdater::new_edgedns(edgedns(s, t)?),
    "exoscale" => DnsUpdater::new_exoscale(s.required("api_key")?, s.required("api_secret")?, t),
    "gandi" => DnsUpdater::new_gandiv5(s.required("token")?, t),
    "gcore" => DnsUpdater::new_gcore(s.required("token")?, t),
    "glesys" => DnsUpdater::new_glesys(s.required("api_user")?, s.required("api_key")?, t),
    "godaddy" => DnsUpdater::new_godaddy(s.required("api_key")?, s.required("api_secret")?, t),
    "hetzner" => DnsUpdater::new_hetzner(s.required("token")?, t),
    "hostingde" => DnsUpdater::new_hostingde(s.required("api_key")?, t),
    "hostinger" => DnsUpdater::new_hostinger(s.required("token")?, t),
    "huaweicloud" => DnsUpdater::new_huaweicloud(s.required("access_key")?, s.required("secret_key")?, s.required("region")?, t),
    "ibmcloud" => DnsUpdater::new_ibmcloud(s.required("username")?, s.required("api_key")?, t),
    "infoblox" => DnsUpdater::new_infoblox(infoblox(s, t)?),
    "infomaniak" => DnsUpdater::new_infomaniak(s.required("token")?, t),
    "inwx" => DnsUpdater::new_inwx(s.required("username")?, s.required("password")?, s.flag("sandbox")?, t),
    "ionos" => DnsUpdater::new_ionos(s.required("api_key")?, t),
    "ipv64" => DnsUpdater::new_ipv64(s.required("api_key")?, t),
    "joker" => DnsUpdater::new_joker(joker(s)?, t),
    "lightsail" => DnsUpdater::new_lightsail(lightsail(s, t)?),
    "linode" => DnsUpdater::new_linode(s.required("token")?, t),
    "luadns" => DnsUpdater::new_luadns(s.required("username")?, s.required("token")?, t),
    "mythicbeasts" => DnsUpdater::new_mythicbeasts(s.required("username")?, s.required("password")?, t),
    "namecheap" => DnsUpdater::new_namecheap(s.required("api_user")?, s.required("api_key")?, s.required("client_ip")?, s.optional("username"), t),
    "namedotcom" => DnsUpdater::new_namedotcom(s.required("username")?, s.required("token")?, t),
    "namesilo" => DnsUpdater::new_namesilo(s.required("api_key")?, t),
    "netcup" => DnsUpdater::new_netcup(s.required("customer_number")?, s.required("api_key")?, s.required("api_password")?, t),
    "netlify" => DnsUpdater::new_netlify(s.required("token")?, t),
    "nifcloud" => DnsUpdater::new_nifcloud(s.required("access_key")?, s.required("secret_key")?, t),
    "ns1" => DnsUpdater::new_ns1(s.required("api_key")?, t),
    "oraclecloud" => DnsUpdater::new_oraclecloud(oraclecloud(s, t)?),
    "ovh" => DnsUpdater::new_ovh(s.required("application_key")?, s.required("application_secret")?, s.required("consumer_key")?, ovh_endpoint(s)?, t),
    "plesk" => DnsUpdater::new_plesk(s.required("base_url")?, s.required("api_key")?, t),
    "porkbun" => DnsUpdater::new_porkbun(s.required("api_key")?, s.required("secret_api_key")?, t),
    "safedns" => DnsUpdater::new_safedns(s.required("token")?, t),
    "scaleway" => DnsUpdater::new_scaleway(s.required("secret_key")?, t),
    "selectel" => DnsUpdater::new_selectel(s.required("username")?, s.required("password")?, s.required("account_id")?, s.required("project_id")?, t),
    "simplycom" => DnsUpdater::new_simplycom(s.required("account_name")?, s.required("api_key")?, t),
    "spaceship" => DnsUpdater::new_spaceship(s.required("api_key")?, s.required("api_secret")?, t),
    "tencentcloud" => DnsUpdater::new_tencentcloud(s.required("secret_id")?, s.required("secret_key")?, s.optional("region"), s.optional("session_token"), t),
    "transip" => DnsUpdater::new_transip(s.required("login")?, s.required("private_key")?, s.flag("global_key")?, t),
    "vercel" => DnsUpdater::new_vercel(s.required("token")?, s.optional("team_id"), t),
    "volcengine" => DnsUpdater::new_volcengine(volcengine(s, t)?),
    "vultr" => DnsUpdater::new_vultr(s.required("api_key")?, t),
    "websupport" => DnsUpdater::new_websupport(s.required("api_key")?, s.required("secret")?, t),
    "yandexcloud" => DnsUpdater::new_yandexcloud(yandexcloud(s, t)?),
    "zoneeu" => DnsUpdater::new_zoneeu(s.required("username")?, s.required("api_key")?, t),
}

fn bluecat(s: &Given, request_timeout: Option<Duration>) -> Result<BluecatV2Config, Error> {
    Ok(BluecatV2Config {
        server_url: s.owned("server_url")?,
        username: s.owned("username")?,
        password: s.owned("password")?,
        config_name: s.owned("configuration")?,
        view_name: s.owned("view")?,
        skip_deploy: s.flag("skip_deploy")?,
        request_timeout,
    })
}

fn edgedns(s: &Given, request_timeout: Option<Duration>) -> Result<EdgeDnsConfig, Error> {
    Ok(EdgeDnsConfig {
        host: s.owned("host")?,
        client_token: s.owned("client_token")?,
        client_secret: s.owned("client_secret")?,
        access_token: s.owned("access_token")?,
        account_switch_key: s.owned_if_any("account_switch_key"),
        request_timeout,
    })
}

fn infoblox(s: &Given, request_timeout: Option<Duration>) -> Result<InfobloxConfig, Error> {
    Ok(InfobloxConfig {
        // An address with a scheme is taken as it is; the port is part of it.
        host: s.owned("base_url")?,
        port: None,
        username: s.owned("username")?,
        password: s.owned("password")?,
        wapi_version: s.owned_if_any("wapi_version"),
        dns_view: s.owned_if_any("view"),
        request_timeout,
    })
}

fn joker(s: &Given) -> Result<JokerAuth, Error> {
    match (s.optional("api_key"), s.optional("username"), s.optional("password")) {
        (Some(key), None, None) => Ok(JokerAuth::api_key(key)),
        (None, Some(name), Some(password)) => Ok(JokerAuth::username_password(name, password)),
        _ => Err(Error::new(What::Setting, "either api_key, or username and password")),
    }
}

fn lightsail(s: &Given, request_timeout: Option<Duration>) -> Result<LightsailConfig, Error> {
    Ok(LightsailConfig {
        access_key_id: s.owned("access_key_id")?,
        secret_access_key: s.owned("secret_access_key")?,
        session_token: s.owned_if_any("session_token"),
        region: s.owned_if_any("region"),
        domain: None,
        request_timeout,
    })
}

fn oraclecloud(s: &Given, request_timeout: Option<Duration>) -> Result<OracleCloudConfig, Error> {
    Ok(OracleCloudConfig {
        tenancy_ocid: s.owned("tenancy_ocid")?,
        user_ocid: s.owned("user_ocid")?,
        fingerprint: s.owned("fingerprint")?,
        private_key_pem: s.owned("private_key")?,
        private_key_password: s.owned_if_any("private_key_password"),
        region: s.owned("region")?,
        compartment_ocid: s.owned("compartment_ocid")?,
        request_timeout,
    })
}

fn ovh_endpoint(s: &Given) -> Result<OvhEndpoint, Error> {
    match s.optional("endpoint").unwrap_or("ovh-eu") {
        "ovh-eu" => Ok(OvhEndpoint::OvhEu),
        "ovh-us" => Ok(OvhEndpoint::OvhUs),
        "ovh-ca" => Ok(OvhEndpoint::OvhCa),
        "kimsufi-eu" => Ok(OvhEndpoint::KimsufiEu),
        "kimsufi-ca" => Ok(OvhEndpoint::KimsufiCa),
        "soyoustart-eu" => Ok(OvhEndpoint::SoyoustartEu),
        "soyoustart-ca" => Ok(OvhEndpoint::SoyoustartCa),
        _ => {
            let text = "endpoint is none of ovh-eu, ovh-us, ovh-ca, kimsufi-eu, kimsufi-ca, soyoustart-eu, soyoustart-ca";
            Err(Error::new(What::Setting, text))
        }
    }
}

fn volcengine(s: &Given, request_timeout: Option<Duration>) -> Result<VolcengineConfig, Error> {
    Ok(VolcengineConfig {
        access_key: s.owned("access_key")?,
        secret_key: s.owned("secret_key")?,
        region: s.owned_if_any("region"),
        host: None,
        scheme: None,
        request_timeout,
    })
}

fn yandexcloud(s: &Given, request_timeout: Option<Duration>) -> Result<YandexCloudConfig, Error> {
    Ok(YandexCloudConfig {
        iam_token_b64: s.owned("service_account_key")?,
        folder_id: s.owned("folder_id")?,
        request_timeout,
    })
}

fn number(s: &Given, name: &str) -> Result<Option<u32>, Error> {
    let bad = |_| Error::new(What::Setting, format!("{name} is no number"));
    s.optional(name).map(|text| text.parse().map_err(bad)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vendors_stand_in_order_each_once() {
        assert!(VENDORS.is_sorted_by(|a, b| a < b));
    }

    /// Nothing is connected to, and a vendor without its settings says which one it lacks.
    #[test]
    fn a_vendor_without_settings_names_the_first() {
        for vendor in VENDORS {
            let error = build(vendor, &Given::default(), Duration::from_secs(1)).map(drop).unwrap_err();
            assert_eq!(error.what(), What::Setting, "{vendor}: {error}");
            assert!(!error.text().is_empty(), "{vendor}");
        }
    }
}
