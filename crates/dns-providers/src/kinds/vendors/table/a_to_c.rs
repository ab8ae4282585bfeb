//! Vendors from Alibaba Cloud to cPanel.

use crate::kinds::vendors::vendor::{
    Absent, FoundBy, Owner, Proof, Sent, SetTtl, Setting, Text, Vendor, Writes,
};

pub(super) const ROWS: &[Vendor] = &[
    Vendor {
        kind: "alidns",
        title: "Alibaba Cloud DNS",
        docs: "https://www.alibabacloud.com/help/en/alibaba-cloud-dns/latest/api-alidns-2015-01-09-dir-parsing-records",
        settings: &[
            Setting::word("access_key", "AccessKey ID"),
            Setting::secret("secret_key", "AccessKey secret"),
            Setting::secret("security_token", "token of a temporary key").or_none(),
            Setting::word("region", "region of the endpoint").or_none(),
            Setting::word("line", "resolution line, `default` without").or_none(),
        ],
        least_privilege: "a RAM user with `alidns:DescribeDomainRecords`, `AddDomainRecord`, `DeleteDomainRecord` on the domain",
        min_ttl: 600,
        apex: "`@`",
        notes: "the free edition takes no smaller time to live than 600 s",
        ..Vendor::USUAL
    },
    Vendor {
        kind: "arvancloud",
        title: "ArvanCloud",
        docs: "https://www.arvancloud.ir/docs/api/cdn/4.0",
        settings: &[Setting::secret("api_key", "API key")],
        min_ttl: 600,
        apex: "`@`",
        ..Vendor::USUAL
    },
    Vendor {
        kind: "autodns",
        title: "AutoDNS (InterNetX)",
        docs: "https://help.internetx.com/display/APIJSONEN",
        settings: &[
            Setting::word("username", "user of the API"),
            Setting::secret("password", "its password"),
            Setting::word("context", "context number").or_none(),
        ],
        min_ttl: 60,
        apex: "full name",
        owner: Owner::Absolute { dot: true },
        ..Vendor::USUAL
    },
    Vendor {
        kind: "baiducloud",
        title: "Baidu Cloud DNS",
        docs: "https://cloud.baidu.com/doc/DNS/s/El4s7lssr",
        settings: &[
            Setting::word("access_key", "access key ID"),
            Setting::secret("secret_key", "secret access key"),
        ],
        min_ttl: 300,
        apex: "`@`",
        ..Vendor::USUAL
    },
    Vendor {
        kind: "bluecat",
        title: "BlueCat Address Manager, REST API v2",
        docs: "https://docs.bluecatnetworks.com/r/Address-Manager-RESTful-v2-API-Guide/Introduction/9.6.0",
        settings: &[
            Setting::address("server_url", "address of the Address Manager"),
            Setting::word("username", "API user"),
            Setting::secret("password", "its password"),
            Setting::word("configuration", "name of the configuration"),
            Setting::word("view", "name of the DNS view"),
            Setting::word("skip_deploy", "`true`: changes are deployed by somebody else").or_none(),
        ],
        least_privilege: "an API user with `Change` on the zone's resource records, and quick deployment",
        apex: "empty",
        proof: Proof::CrossChecked("bluecat-libraries 26.1.0"),
        namesakes: "the one of `configuration` and `view`",
        ..Vendor::USUAL
    },
    Vendor {
        kind: "bunny",
        title: "Bunny DNS",
        docs: "https://docs.bunny.net/reference/dnszonepublic_index",
        settings: &[Setting::secret("api_key", "the account's API key")],
        least_privilege: "none: the key may do everything in the account",
        min_ttl: 60,
        ..Vendor::USUAL
    },
    Vendor {
        kind: "cloudns",
        title: "ClouDNS",
        docs: "https://www.cloudns.net/wiki/article/42/",
        settings: &[
            Setting::word("auth_id", "API user's id, or").or_none(),
            Setting::word("sub_auth_id", "sub-user's id").or_none(),
            Setting::secret("auth_password", "its password"),
        ],
        least_privilege: "an API sub-user to which single zones are delegated",
        min_ttl: 60,
        notes: "the time to live is raised to the next of 60, 300, 900, 1800, 3600, 21600, 43200 or 86400 seconds",
        // 20 requests in a second (cloudns.net/wiki/article/41).
        pause: 5,
        ..Vendor::USUAL
    },
    Vendor {
        kind: "constellix",
        title: "Constellix (DigiCert)",
        docs: "https://api-docs.constellix.com",
        settings: &[Setting::word("api_key", "API key"), Setting::secret("secret_key", "secret key")],
        least_privilege: "a user of the account with rights for the domain's records; the key has its user's",
        writes: Writes::Set,
        set_ttl: SetTtl::Replaced,
        min_ttl: 30,
        text: Text::ZoneFile,
        alias_dot: true,
        found_by: FoundBy::NameServers,
        absent: Absent::NotFound,
        notes: "where a name is served by pools or regions (GTD), its TXT set is not a plain list: delegate such a name. The first value of a set, and aliases, go by requests that no other client makes: try `doctor --write`",
        proof: Proof::CrossChecked("octodns-constellix 1.0.1"),
        namesakes: "the first of a search for the exact name",
        sent: Sent::ZoneFile,
        ..Vendor::USUAL
    },
    Vendor {
        kind: "cpanel",
        title: "cPanel",
        docs: "https://api.docs.cpanel.net/openapi/cpanel/operation/dns-mass_edit_zone/",
        settings: &[
            Setting::address("base_url", "address of cPanel, with its port 2083"),
            Setting::word("username", "cPanel account"),
            Setting::secret("token", "API token"),
        ],
        least_privilege: "none: the token may do whatever its account may",
        writes: Writes::Record,
        min_ttl: 60,
        text: Text::ZoneFile,
        apex: "full name",
        notes: "a change carries the zone's serial, so that one that was overtaken is refused",
        owner: Owner::Absolute { dot: true },
        sent: Sent::WhereNeeded,
        ..Vendor::USUAL
    },
];
