//! Vendors from Namecheap to Porkbun.

use crate::kinds::vendors::vendor::{FoundBy, Owner, Proof, Sent, SetTtl, Setting, Text, Vendor, Writes};

pub(super) const ROWS: &[Vendor] = &[
    Vendor {
        kind: "namecheap",
        title: "Namecheap",
        docs: "https://www.namecheap.com/support/api/methods.aspx",
        settings: &[
            Setting::word("api_user", "account"),
            Setting::secret("api_key", "API key"),
            Setting::word("client_ip", "this host's address as Namecheap's list has it"),
            Setting::word("username", "another account that the call is for").or_none(),
        ],
        least_privilege: "none: the key may do everything in the account, from listed addresses alone",
        writes: Writes::Zone,
        min_ttl: 60,
        apex: "`@`",
        ..Vendor::USUAL
    },
    Vendor {
        kind: "namedotcom",
        title: "Name.com",
        docs: "https://www.name.com/api-docs/DNS",
        settings: &[Setting::word("username", "account"), Setting::secret("token", "API token")],
        least_privilege: "none: the token may do everything in the account",
        min_ttl: 300,
        ..Vendor::USUAL
    },
    Vendor {
        kind: "namesilo",
        title: "NameSilo",
        docs: "https://www.namesilo.com/api-reference",
        settings: &[Setting::secret("api_key", "API key")],
        least_privilege: "none: the key may do everything in the account",
        min_ttl: 3600,
        ..Vendor::USUAL
    },
    Vendor {
        kind: "netcup",
        title: "netcup",
        docs: "https://www.netcup-wiki.de/wiki/DNS_API",
        settings: &[
            Setting::word("customer_number", "customer number"),
            Setting::secret("api_key", "API key"),
            Setting::secret("api_password", "API password"),
        ],
        least_privilege: "none: the key may do everything in the account",
        set_ttl: SetTtl::Vendors,
        apex: "`@`",
        notes: "the time to live is the zone's",
        ..Vendor::USUAL
    },
    Vendor {
        kind: "netlify",
        title: "Netlify",
        docs: "https://open-api.netlify.com/",
        settings: &[Setting::secret("token", "personal access token")],
        least_privilege: "none: the token may do whatever its user may",
        apex: "full name",
        owner: Owner::Absolute { dot: false },
        ..Vendor::USUAL
    },
    Vendor {
        kind: "nifcloud",
        title: "NIFCLOUD DNS",
        docs: "https://docs.nifcloud.com/dns/api/",
        settings: &[
            Setting::word("access_key", "access key"),
            Setting::secret("secret_key", "secret access key"),
        ],
        writes: Writes::Set,
        set_ttl: SetTtl::Kept,
        min_ttl: 60,
        text: Text::ZoneFile,
        apex: "`@`",
        notes: "a change names the whole old set to delete, as Route 53's does",
        sent: Sent::ZoneFile,
        ..Vendor::USUAL
    },
    Vendor {
        kind: "ns1",
        title: "NS1 (IBM)",
        docs: "https://developer.ibm.com/apis/catalog/ns1--ibm-ns1-connect-api/",
        settings: &[Setting::secret("api_key", "API key")],
        least_privilege: "a key with `Manage zones` for the zone alone (`zones_allow`), or for TXT records in it (`records_allow`), from the agent's addresses",
        writes: Writes::Set,
        set_ttl: SetTtl::Kept,
        apex: "full name",
        found_by: FoundBy::NameServers,
        notes: "what others set on a record beside its answers (filters, metadata of answers) is not sent back; delegate such a name",
        proof: Proof::CrossChecked("octodns-ns1 1.0.2"),
        // Tokens come back one by one, those of PUT as 100 in 200 seconds (X-Ratelimit-* of recorded answers).
        pause: 20,
        namesakes: "the one that has the domain for its name in the account; another of the same domain in a view has another name there, and is not touched",
        owner: Owner::Absolute { dot: false },
        ..Vendor::USUAL
    },
    Vendor {
        kind: "oraclecloud",
        title: "Oracle Cloud Infrastructure DNS",
        docs: "https://docs.oracle.com/en-us/iaas/api/#/en/dns/20180115/",
        settings: &[
            Setting::word("tenancy_ocid", "tenancy"),
            Setting::word("user_ocid", "user"),
            Setting::word("fingerprint", "of the key"),
            Setting::secret("private_key", "key in PEM"),
            Setting::secret("private_key_password", "of the key").or_none(),
            Setting::word("region", "`eu-frankfurt-1`"),
            Setting::word("compartment_ocid", "compartment of the zone"),
        ],
        least_privilege: "`allow group … to manage dns-records in compartment …`, with `read dns-zones`",
        text: Text::ZoneFile,
        apex: "full name",
        found_by: FoundBy::NameServers,
        owner: Owner::Absolute { dot: false },
        sent: Sent::ZoneFile,
        ..Vendor::USUAL
    },
    Vendor {
        kind: "ovh",
        title: "OVHcloud",
        docs: "https://eu.api.ovh.com/console/?section=%2Fdomain&branch=v1",
        settings: &[
            Setting::word("application_key", "application key"),
            Setting::secret("application_secret", "application secret"),
            Setting::secret("consumer_key", "consumer key"),
            Setting::word("endpoint", "`ovh-eu` without; `ovh-us`, `ovh-ca`, `kimsufi-eu`, `kimsufi-ca`, `soyoustart-eu`, `soyoustart-ca`").or_none(),
        ],
        least_privilege: "a consumer key for `GET`, `POST`, `DELETE` of `/domain/zone/example.com` and `/domain/zone/example.com/*`",
        min_ttl: 60,
        alias_dot: true,
        notes: "a refused key and an API that is down look alike through the library: both are tried again later",
        text: Text::AnsweredInQuotes,
        proof: Proof::CrossChecked("octodns-ovh 1.2.0"),
        namesakes: "there is one, addressed by name",
        ..Vendor::USUAL
    },
    Vendor {
        kind: "plesk",
        title: "Plesk, REST API",
        docs: "https://docs.plesk.com/en-US/obsidian/api-rpc/about-rest-api.79359/",
        settings: &[
            Setting::address("base_url", "address of Plesk, with its port 8443"),
            Setting::secret("api_key", "secret key"),
        ],
        least_privilege: "none: the key may do whatever its user may, from the addresses that it is for",
        apex: "full name",
        alias_dot: true,
        owner: Owner::Absolute { dot: false },
        ..Vendor::USUAL
    },
    Vendor {
        kind: "porkbun",
        title: "Porkbun",
        docs: "https://porkbun.com/api/json/v3/documentation",
        settings: &[
            Setting::secret("api_key", "API key"),
            Setting::secret("secret_api_key", "secret API key"),
        ],
        least_privilege: "none: the key may change every domain for which API access is on",
        min_ttl: 600,
        ..Vendor::USUAL
    },
];
