//! Vendors from SafeDNS to Zone.eu.

use crate::kinds::vendors::vendor::{By, FoundBy, Owner, Proof, Sent, SetTtl, Setting, Text, Vendor, Writes};

pub(super) const ROWS: &[Vendor] = &[
    Vendor {
        kind: "safedns",
        title: "ANS SafeDNS (UKFast)",
        docs: "https://developers.ukfast.io/documentation/safedns",
        settings: &[Setting::secret("token", "API key with SafeDNS read and write")],
        least_privilege: "an API key for SafeDNS alone",
        text: Text::ZoneFile,
        apex: "full name",
        owner: Owner::Absolute { dot: false },
        sent: Sent::ZoneFile,
        ..Vendor::USUAL
    },
    Vendor {
        kind: "scaleway",
        title: "Scaleway Domains and DNS",
        docs: "https://www.scaleway.com/en/developers/api/domains-and-dns/",
        settings: &[Setting::secret("secret_key", "secret key")],
        least_privilege: "an IAM application with `DomainsDNSFullAccess` in the zone's project",
        min_ttl: 60,
        text: Text::ZoneFile,
        apex: "`@`",
        sent: Sent::Quoted,
        ..Vendor::USUAL
    },
    Vendor {
        kind: "selectel",
        title: "Selectel DNS, v2",
        docs: "https://developers.selectel.ru/docs/cloud-services/dns_api/dns_api_actual/",
        settings: &[
            Setting::word("username", "service user"),
            Setting::secret("password", "its password"),
            Setting::word("account_id", "number of the account"),
            Setting::word("project_id", "project of the zone"),
        ],
        least_privilege: "a service user with `member` in the project alone",
        writes: Writes::Set,
        set_ttl: SetTtl::Replaced,
        min_ttl: 60,
        text: Text::ZoneFile,
        apex: "full name",
        owner: Owner::Absolute { dot: true },
        sent: Sent::ZoneFile,
        ..Vendor::USUAL
    },
    Vendor {
        kind: "simplycom",
        title: "Simply.com",
        docs: "https://www.simply.com/en/docs/api/",
        settings: &[
            Setting::word("account_name", "account, `S123456`"),
            Setting::secret("api_key", "API key"),
        ],
        least_privilege: "none: the key may do everything in the account",
        min_ttl: 60,
        apex: "`@`",
        ..Vendor::USUAL
    },
    Vendor {
        kind: "spaceship",
        title: "Spaceship",
        docs: "https://docs.spaceship.dev/#tag/DNS-records",
        settings: &[Setting::word("api_key", "API key"), Setting::secret("api_secret", "its secret")],
        least_privilege: "a key with `dnsrecords:read` and `dnsrecords:write` alone",
        min_ttl: 60,
        apex: "`@`",
        ..Vendor::USUAL
    },
    Vendor {
        kind: "tencentcloud",
        title: "Tencent Cloud DNSPod",
        docs: "https://cloud.tencent.com/document/product/1427/56153",
        settings: &[
            Setting::word("secret_id", "SecretId"),
            Setting::secret("secret_key", "SecretKey"),
            Setting::word("region", "region of the endpoint").or_none(),
            Setting::secret("session_token", "token of a temporary key").or_none(),
        ],
        least_privilege: "a sub-account with `dnspod:DescribeRecordList`, `CreateRecord`, `DeleteRecord` on the domain",
        min_ttl: 600,
        apex: "`@`",
        notes: "the free plan takes no smaller time to live than 600 s",
        ..Vendor::USUAL
    },
    Vendor {
        kind: "transip",
        title: "TransIP",
        docs: "https://api.transip.eu/rest/docs.html",
        settings: &[
            Setting::word("login", "account"),
            Setting::secret("private_key", "key in PEM"),
            Setting::word("global_key", "`true`: the key is not tied to addresses").or_none(),
        ],
        least_privilege: "none: the key may do everything in the account, from listed addresses alone unless `global_key`",
        min_ttl: 60,
        apex: "`@`",
        ..Vendor::USUAL
    },
    Vendor {
        kind: "ultradns",
        title: "UltraDNS (DigiCert)",
        docs: "https://docs.ultradns.com/Content/REST%20API/Content/REST%20API/Introduction.htm",
        settings: &[
            Setting::word("username", "user, one for the agent alone"),
            Setting::secret("password", "its password"),
            Setting::address("base_url", "`https://api.ultradns.com` without").or_none(),
        ],
        least_privilege: "a user of a group of its own: `Read` of the account, none of `Domain Services`, `Read Write Create Delete` of the zone's domain",
        writes: Writes::Set,
        set_ttl: SetTtl::Kept,
        apex: "full name",
        alias_dot: true,
        found_by: FoundBy::NameServers,
        by: By::UltraDns,
        notes: "a name with a pool (SiteBacker, Traffic Controller) is not a plain list; delegate such a name",
        proof: Proof::CrossChecked("octodns-ultra 1.1.3"),
        lists_ttl: true,
        namesakes: "there is one, addressed by name",
        owner: Owner::Absolute { dot: false },
        ..Vendor::USUAL
    },
    Vendor {
        kind: "vercel",
        title: "Vercel",
        docs: "https://vercel.com/docs/rest-api#endpoints/dns",
        settings: &[
            Setting::secret("token", "access token"),
            Setting::word("team_id", "team of the domain").or_none(),
        ],
        least_privilege: "a token of one team",
        min_ttl: 60,
        ..Vendor::USUAL
    },
    Vendor {
        kind: "volcengine",
        title: "Volcano Engine (火山引擎) DNS",
        docs: "https://www.volcengine.com/docs/6758/155086",
        settings: &[
            Setting::word("access_key", "access key"),
            Setting::secret("secret_key", "secret key"),
            Setting::word("region", "region of the endpoint").or_none(),
        ],
        min_ttl: 600,
        text: Text::ZoneFile,
        apex: "`@`",
        sent: Sent::ZoneFile,
        ..Vendor::USUAL
    },
    Vendor {
        kind: "vultr",
        title: "Vultr",
        docs: "https://www.vultr.com/api/#tag/dns",
        settings: &[Setting::secret("api_key", "API key")],
        least_privilege: "a sub-user with `Manage DNS` alone, from listed addresses",
        min_ttl: 120,
        text: Text::ZoneFile,
        sent: Sent::Undivided,
        ..Vendor::USUAL
    },
    Vendor {
        kind: "websupport",
        title: "Websupport",
        docs: "https://rest.websupport.sk/v2/docs",
        settings: &[Setting::word("api_key", "API key"), Setting::secret("secret", "its secret")],
        least_privilege: "none: the key may do everything in the account",
        min_ttl: 60,
        apex: "`@`",
        ..Vendor::USUAL
    },
    Vendor {
        kind: "yandexcloud",
        title: "Yandex Cloud DNS",
        docs: "https://yandex.cloud/en/docs/dns/api-ref/DnsZone/upsertRecordSets",
        settings: &[
            Setting::secret("service_account_key", "authorized key of a service account, its JSON in base64"),
            Setting::word("folder_id", "folder of the zone"),
        ],
        least_privilege: "a service account with the role `dns.editor` on the zone",
        set_ttl: SetTtl::Kept,
        text: Text::ZoneFile,
        apex: "`@`",
        alias_dot: true,
        notes: "values are merged by Yandex itself (`upsertRecordSets`, `merges`)",
        sent: Sent::WhereNeeded,
        ..Vendor::USUAL
    },
    Vendor {
        kind: "zoneeu",
        title: "Zone.eu",
        docs: "https://api.zone.eu/v2",
        settings: &[Setting::word("username", "ZoneID user"), Setting::secret("api_key", "API key")],
        least_privilege: "none: the key may do whatever its user may",
        set_ttl: SetTtl::Vendors,
        apex: "full name",
        owner: Owner::Absolute { dot: false },
        ..Vendor::USUAL
    },
];
