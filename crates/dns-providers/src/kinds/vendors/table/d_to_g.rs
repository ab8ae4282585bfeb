//! Vendors from deSEC to GoDaddy.

use crate::kinds::vendors::vendor::{FoundBy, Proof, SetTtl, Setting, Text, Vendor, Writes};

pub(super) const ROWS: &[Vendor] = &[
    Vendor {
        kind: "desec",
        title: "deSEC",
        docs: "https://desec.readthedocs.io/en/latest/",
        settings: &[Setting::secret("token", "API token")],
        least_privilege: "a token with a policy for one domain, name and type (`/auth/tokens/{id}/policies/rrsets/`)",
        writes: Writes::Set,
        set_ttl: SetTtl::Replaced,
        min_ttl: 3600,
        text: Text::ZoneFile,
        apex: "`@` in addresses, empty in bodies",
        ..Vendor::USUAL
    },
    Vendor {
        kind: "digitalocean",
        title: "DigitalOcean",
        docs: "https://docs.digitalocean.com/reference/api/digitalocean/#tag/Domain-Records",
        settings: &[Setting::secret("token", "personal access token")],
        least_privilege: "a token with the scopes `domain:read`, `domain:create`, `domain:delete`; single domains cannot be chosen",
        min_ttl: 30,
        apex: "`@`",
        alias_dot: true,
        proof: Proof::CrossChecked("octodns-digitalocean 1.0.1"),
        namesakes: "there is one: a domain is in one account only",
        ..Vendor::USUAL
    },
    Vendor {
        kind: "dnsimple",
        title: "DNSimple",
        docs: "https://developer.dnsimple.com/v2/zones/records/",
        settings: &[
            Setting::secret("token", "account access token"),
            Setting::word("account_id", "number of the account"),
        ],
        least_privilege: "a scoped access token for one domain's zone records, where the plan has them",
        min_ttl: 60,
        ..Vendor::USUAL
    },
    Vendor {
        kind: "dnsmadeeasy",
        title: "DNS Made Easy (DigiCert)",
        docs: "https://api-docs.dnsmadeeasy.com/",
        settings: &[Setting::word("api_key", "API key"), Setting::secret("secret_key", "secret key")],
        least_privilege: "the key of a sub-user with rights for single domains",
        min_ttl: 5,
        text: Text::AnsweredInQuotes,
        alias_dot: true,
        notes: "150 requests in 5 minutes for an account; a change of a name takes about eight",
        proof: Proof::CrossChecked("octodns-dnsmadeeasy 1.0.1"),
        namesakes: "there is one, addressed by name",
        ..Vendor::USUAL
    },
    Vendor {
        kind: "domeneshop",
        title: "Domeneshop",
        docs: "https://api.domeneshop.no/docs",
        settings: &[Setting::word("token", "API token"), Setting::secret("secret", "its secret")],
        least_privilege: "none: the token may do everything in the account",
        min_ttl: 60,
        apex: "`@`",
        ..Vendor::USUAL
    },
    Vendor {
        kind: "dreamhost",
        title: "DreamHost",
        docs: "https://help.dreamhost.com/hc/en-us/articles/217560167-API_overview",
        settings: &[Setting::secret("api_key", "API key")],
        least_privilege: "a key for `dns-list_records`, `dns-add_record`, `dns-remove_record`",
        set_ttl: SetTtl::Vendors,
        apex: "full name",
        alias_dot: true,
        ..Vendor::USUAL
    },
    Vendor {
        kind: "dynu",
        title: "Dynu",
        docs: "https://www.dynu.com/en-US/Support/API",
        settings: &[Setting::secret("api_key", "API key")],
        least_privilege: "none: the key may do everything in the account",
        min_ttl: 30,
        ..Vendor::USUAL
    },
    Vendor {
        kind: "easydns",
        title: "easyDNS",
        docs: "https://docs.sandbox.rest.easydns.net",
        settings: &[Setting::word("token", "API token"), Setting::secret("key", "API key")],
        min_ttl: 300,
        apex: "`@`",
        ..Vendor::USUAL
    },
    Vendor {
        kind: "edgedns",
        title: "Akamai Edge DNS",
        docs: "https://techdocs.akamai.com/edge-dns/reference/edge-dns-api",
        settings: &[
            Setting::word("host", "host of the API client, `akab-….luna.akamaiapis.net`"),
            Setting::secret("client_token", "client token"),
            Setting::secret("client_secret", "client secret"),
            Setting::secret("access_token", "access token"),
            Setting::word("account_switch_key", "for whoever serves several accounts").or_none(),
        ],
        least_privilege: "an API client with `DNS—Zone Record Management: READ-WRITE`, restricted to the zone's group",
        writes: Writes::Set,
        set_ttl: SetTtl::Replaced,
        // techdocs.akamai.com/edge-dns/docs/features, "zone TTL support".
        min_ttl: 300,
        text: Text::ZoneFile,
        apex: "full name",
        alias_dot: true,
        found_by: FoundBy::NameServers,
        notes: "Akamai's smallest time to live is 300 seconds, unless a contract says otherwise",
        proof: Proof::CrossChecked("octodns-edgedns 1.1.0"),
        namesakes: "there is one, addressed by name",
        ..Vendor::USUAL
    },
    Vendor {
        kind: "exoscale",
        title: "Exoscale",
        docs: "https://openapi-v2.exoscale.com/#endpoint-dns",
        settings: &[Setting::word("api_key", "API key"), Setting::secret("api_secret", "its secret")],
        least_privilege: "an IAM role that allows the DNS operations alone",
        min_ttl: 60,
        text: Text::ZoneFile,
        ..Vendor::USUAL
    },
    Vendor {
        kind: "gandi",
        title: "Gandi LiveDNS",
        docs: "https://api.gandi.net/docs/livedns/",
        settings: &[Setting::secret("token", "personal access token")],
        least_privilege: "a token with `Manage domain name technical configurations` for single domains",
        writes: Writes::Set,
        set_ttl: SetTtl::Kept,
        min_ttl: 300,
        text: Text::ZoneFile,
        apex: "`@`",
        found_by: FoundBy::NameServers,
        ..Vendor::USUAL
    },
    Vendor {
        kind: "gcore",
        title: "Gcore DNS",
        docs: "https://api.gcore.com/docs/dns",
        settings: &[Setting::secret("token", "permanent API token")],
        writes: Writes::Set,
        set_ttl: SetTtl::Kept,
        min_ttl: 120,
        apex: "full name",
        ..Vendor::USUAL
    },
    Vendor {
        kind: "glesys",
        title: "GleSYS",
        docs: "https://github.com/GleSYS/API/wiki/API-Documentation",
        settings: &[Setting::word("api_user", "project, `CL12345`"), Setting::secret("api_key", "API key")],
        least_privilege: "a key that may call `domain` functions alone",
        min_ttl: 60,
        apex: "`@`",
        alias_dot: true,
        ..Vendor::USUAL
    },
    Vendor {
        kind: "godaddy",
        title: "GoDaddy",
        docs: "https://developer.godaddy.com/doc/endpoint/domains",
        settings: &[Setting::word("api_key", "API key"), Setting::secret("api_secret", "its secret")],
        least_privilege: "none: the key may do everything in the account",
        writes: Writes::Set,
        set_ttl: SetTtl::Replaced,
        min_ttl: 600,
        apex: "`@`",
        found_by: FoundBy::NameServers,
        notes: "GoDaddy gives the API to accounts with ten domains, or with its Discount Domain Club Premier",
        proof: Proof::CrossChecked("dns-lexicon 3.25.2"),
        namesakes: "there is one, addressed by name",
        ..Vendor::USUAL
    },
];
