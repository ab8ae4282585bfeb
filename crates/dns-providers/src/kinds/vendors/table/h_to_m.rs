//! Vendors from Hetzner to Mythic Beasts.

use crate::kinds::vendors::vendor::{FoundBy, Owner, Proof, Sent, SetTtl, Setting, Text, Vendor, Writes};

pub(super) const ROWS: &[Vendor] = &[
    Vendor {
        kind: "hetzner",
        title: "Hetzner Cloud DNS",
        docs: "https://docs.hetzner.cloud/reference/cloud#dns",
        settings: &[Setting::secret("token", "API token of the project, read and write")],
        least_privilege: "a project of its own for the zone",
        set_ttl: SetTtl::Replaced,
        min_ttl: 60,
        text: Text::ZoneFile,
        apex: "`@`",
        found_by: FoundBy::NameServers,
        sent: Sent::ZoneFile,
        ..Vendor::USUAL
    },
    Vendor {
        kind: "hostingde",
        title: "hosting.de",
        docs: "https://www.hosting.de/api/#dns",
        settings: &[Setting::secret("api_key", "API key")],
        least_privilege: "a key with `DNS_ZONES_LIST` and `DNS_ZONES_EDIT` alone",
        min_ttl: 60,
        text: Text::ZoneFile,
        apex: "full name",
        owner: Owner::Absolute { dot: false },
        sent: Sent::ZoneFile,
        ..Vendor::USUAL
    },
    Vendor {
        kind: "hostinger",
        title: "Hostinger",
        docs: "https://developers.hostinger.com/#tag/dns-zone",
        settings: &[Setting::secret("token", "API token")],
        least_privilege: "none: the token may do whatever its user may",
        writes: Writes::Set,
        set_ttl: SetTtl::Kept,
        min_ttl: 60,
        apex: "`@`",
        ..Vendor::USUAL
    },
    Vendor {
        kind: "huaweicloud",
        title: "Huawei Cloud DNS",
        docs: "https://support.huaweicloud.com/intl/en-us/api-dns/dns_api_64001.html",
        settings: &[
            Setting::word("access_key", "access key"),
            Setting::secret("secret_key", "secret key"),
            Setting::word("region", "region of the project, `cn-north-4`"),
        ],
        least_privilege: "an IAM user with `dns:recordset:*` on the zone",
        writes: Writes::Set,
        set_ttl: SetTtl::Kept,
        text: Text::ZoneFile,
        apex: "full name",
        found_by: FoundBy::NameServers,
        owner: Owner::Absolute { dot: true },
        sent: Sent::ZoneFile,
        ..Vendor::USUAL
    },
    Vendor {
        kind: "ibmcloud",
        title: "IBM Cloud classic (SoftLayer) DNS",
        docs: "https://cloud.ibm.com/docs/dns?topic=dns-getting-started-with-the-dns-api",
        settings: &[
            Setting::word("username", "user of the classic infrastructure"),
            Setting::secret("api_key", "its API key"),
        ],
        min_ttl: 60,
        apex: "`@`",
        ..Vendor::USUAL
    },
    Vendor {
        kind: "infoblox",
        title: "Infoblox NIOS, WAPI",
        docs: "https://docs.infoblox.com/space/NWAPI/32310369/WAPI+Documentation",
        settings: &[
            Setting::address("base_url", "address of the grid master, without `/wapi`"),
            Setting::word("username", "API user"),
            Setting::secret("password", "its password"),
            Setting::word("wapi_version", "`2.11` without").or_none(),
            Setting::word("view", "DNS view, `External` without").or_none(),
        ],
        least_privilege: "a role with read and write on TXT and CNAME records of the zone, and API access alone",
        apex: "full name",
        notes: "a zone that is not there is told by the first change only",
        text: Text::AnsweredInQuotes,
        proof: Proof::CrossChecked("dns-lexicon 3.25.2"),
        namesakes: "the one of `view`, `External` without",
        owner: Owner::Absolute { dot: false },
        ..Vendor::USUAL
    },
    Vendor {
        kind: "infomaniak",
        title: "Infomaniak",
        docs: "https://developer.infomaniak.com/docs/api",
        settings: &[Setting::secret("token", "API token")],
        least_privilege: "a token with the scope `domain`",
        min_ttl: 300,
        text: Text::ZoneFile,
        apex: "empty",
        sent: Sent::ZoneFile,
        ..Vendor::USUAL
    },
    Vendor {
        kind: "inwx",
        title: "INWX",
        docs: "https://www.inwx.de/en/help/apidoc",
        settings: &[
            Setting::word("username", "account"),
            Setting::secret("password", "its password"),
            Setting::word("sandbox", "`true`: the OTE test system").or_none(),
        ],
        least_privilege: "a sub-account with the role for DNS; one with a second factor cannot be used",
        min_ttl: 300,
        owner: Owner::Absolute { dot: false },
        apex: "full name",
        ..Vendor::USUAL
    },
    Vendor {
        kind: "ionos",
        title: "IONOS",
        docs: "https://developer.hosting.ionos.com/docs/dns",
        settings: &[Setting::secret("api_key", "`prefix.secret`")],
        least_privilege: "none: the key may do everything in the account",
        min_ttl: 60,
        text: Text::ZoneFile,
        apex: "full name",
        owner: Owner::Absolute { dot: false },
        sent: Sent::ZoneFile,
        ..Vendor::USUAL
    },
    Vendor {
        kind: "ipv64",
        title: "IPv64.net",
        docs: "https://ipv64.net/dyndns_updater_api",
        settings: &[Setting::secret("api_key", "API key")],
        least_privilege: "none: the key may do everything in the account",
        set_ttl: SetTtl::Vendors,
        ..Vendor::USUAL
    },
    Vendor {
        kind: "joker",
        title: "Joker.com, DMAPI",
        docs: "https://joker.com/faq/category/39/22-dmapi.html",
        settings: &[
            Setting::secret("api_key", "API key, or").or_none(),
            Setting::word("username", "account and").or_none(),
            Setting::secret("password", "its password").or_none(),
        ],
        writes: Writes::Zone,
        min_ttl: 300,
        text: Text::ZoneFile,
        apex: "`@`",
        sent: Sent::ZoneFile,
        ..Vendor::USUAL
    },
    Vendor {
        kind: "lightsail",
        title: "Amazon Lightsail DNS",
        docs: "https://docs.aws.amazon.com/lightsail/2016-11-28/api-reference/API_CreateDomainEntry.html",
        settings: &[
            Setting::word("access_key_id", "access key"),
            Setting::secret("secret_access_key", "its secret"),
            Setting::secret("session_token", "token of temporary credentials").or_none(),
            Setting::word("region", "`us-east-1` without").or_none(),
        ],
        least_privilege: "`lightsail:GetDomain`, `GetDomains`, `CreateDomainEntry`, `DeleteDomainEntry` on the domain",
        set_ttl: SetTtl::Vendors,
        text: Text::ZoneFile,
        apex: "full name",
        alias_dot: true,
        owner: Owner::Absolute { dot: false },
        sent: Sent::ZoneFile,
        ..Vendor::USUAL
    },
    Vendor {
        kind: "linode",
        title: "Linode (Akamai Connected Cloud)",
        docs: "https://techdocs.akamai.com/linode-api/reference/get-domain-records",
        settings: &[Setting::secret("token", "personal access token")],
        least_privilege: "a token with `Domains: Read/Write` alone, of a user with a grant for the domain",
        min_ttl: 300,
        notes: "times to live are rounded to those that Linode has",
        ..Vendor::USUAL
    },
    Vendor {
        kind: "luadns",
        title: "LuaDNS",
        docs: "https://luadns.com/api.html",
        settings: &[Setting::word("username", "e-mail address"), Setting::secret("token", "API token")],
        least_privilege: "a token restricted to single zones",
        min_ttl: 300,
        apex: "full name",
        owner: Owner::Absolute { dot: true },
        ..Vendor::USUAL
    },
    Vendor {
        kind: "mythicbeasts",
        title: "Mythic Beasts",
        docs: "https://www.mythic-beasts.com/support/api/dnsv2",
        settings: &[Setting::word("username", "API key's id"), Setting::secret("password", "its secret")],
        least_privilege: "an API key with permission for single domains, names and types",
        min_ttl: 60,
        apex: "`@`",
        ..Vendor::USUAL
    },
];
