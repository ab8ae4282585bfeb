"""What is written to vendors: every request but the looks before it is kept, for whoever compares (control port, GET /written).

`LOOKS` holds per vendor its hosts, and what the looks before a write are answered so that the library goes on: to a zone
`written.test` that holds nothing. A look is told by a pattern over method, target, action and body; what no pattern fits is a write and
is answered by the last entry, `{}` where there is none. These answers are as short as the library takes them, and prove nothing else
of a vendor."""
import re

Z = "written.test"


def entry(hosts, *looks, done="{}", headers=None):
    return hosts.split(), looks, done, headers or {}


LOOKS = {
    "alidns": entry("alidns.aliyuncs.com", ("Action=DescribeDomains", {"Domains": {"Domain": [{"DomainName": Z}]}, "TotalCount": 1, "PageSize": 100}),
                    ("Action=DescribeDomainRecords", {"DomainRecords": {"Record": []}, "TotalCount": 0, "PageSize": 100}), done={"RecordId": "1"}),
    "arvancloud": entry("napi.arvancloud.ir", ("^GET", {"data": []}), done={"data": {}}),
    "autodns": entry("api.autodns.com", ("_search", {"data": [{"origin": Z, "resourceRecords": []}]}), done={"data": []}),
    "baiducloud": entry("dns.baidubce.com", ("^GET", {"records": []})),
    "bluecat": entry("bam.test", ("/sessions", {"basicAuthenticationCredentials": "x"}), ("^GET .*/api/v2/zones[?]", {"data": [{"id": 1, "absoluteName": Z}]}),
                     ("^GET", {"data": []}), ("deployments", {})),
    "bunny": entry("api.bunny.net", ("^GET", {"Items": [{"Id": 1, "Domain": Z, "Records": []}], "CurrentPage": 1, "TotalItems": 1, "HasMoreItems": False})),
    "cloudns": entry("api.cloudns.net", ("records.json", {}), ("get-zone-info|list-zones", {"name": Z, "status": "1"}), done={"status": "Success"}),
    "constellix": entry("api.dns.constellix.com", ("domains/search", [{"id": 1}]), ("^GET", []), done={"success": "done"}),
    "cpanel": entry("cpanel.test", ("parse_zone", {"status": 1, "data": [{"line_index": 1, "type": "record", "record_type": "SOA", "dname_b64":
                    "d3JpdHRlbi50ZXN0Lg==", "data_b64": ["bnMu", "aG9zdC4=", "MjAyNg==", "MQ==", "MQ==", "MQ==", "MQ=="], "ttl": 60}]}), done={"status": 1, "data": {}}),
    "desec": entry("desec.io", ("^GET", 404), done={"created": "", "domain": Z, "subname": "", "name": "", "records": [], "ttl": 3600, "type": "TXT", "touched": ""}),
    "digitalocean": entry("api.digitalocean.com", ("^GET", {"domain_records": [], "links": {}, "meta": {"total": 0}})),
    "dnsimple": entry("api.dnsimple.com", ("^GET", {"data": []}), done={"data": {}}),
    "dnsmadeeasy": entry("api.dnsmadeeasy.com", ("managed/name", {"id": 1}), ("^GET", {"data": []})),
    "domeneshop": entry("api.domeneshop.no", ("^GET .*/domains$", [{"id": 1, "domain": Z}]), ("^GET", []), done={"id": 1}),
    "dreamhost": entry("api.dreamhost.com", ("list_records", {"result": "success", "data": []}), done={"result": "success", "data": "record_added"}),
    "dynu": entry("api.dynu.com", ("getroot", {"id": 1, "domainName": Z, "statusCode": 200}), ("^GET", {"statusCode": 200, "dnsRecords": []}),
                  done={"statusCode": 200}),
    "easydns": entry("rest.easydns.net", ("^GET", {"data": []}), done={"data": {"id": "1"}}),
    "edgedns": entry("edge.test", ("^GET|^PUT", 404)),
    "exoscale": entry("api-ch-gva-2.exoscale.com", ("^GET .*/dns-domain$", {"dns-domains": [{"id": "z", "unicode-name": Z}]}),
                      ("^GET", {"dns-domain-records": []}), done={"id": "o", "state": "success"}),
    "gandi": entry("api.gandi.net", ("^GET", 404), done={"message": "done"}),
    "gcore": entry("api.gcore.com", (f"^GET .*/zones/{Z}$", {"name": Z}), ("^GET", 404)),
    "glesys": entry("api.glesys.com", ("listrecords", {"response": {"records": []}}), done={"response": {"record": {"recordid": 1}}}),
    "godaddy": entry("api.godaddy.com", ("^GET", [])),
    "hetzner": entry("api.hetzner.cloud", ("^GET .*/rrsets", {"rrsets": []}), ("^GET", {"zone": {"id": 1, "name": Z}, "zones": [{"id": 1, "name": Z}]})),
    "hostingde": entry("secure.hosting.de", ("zoneConfigsFind", {"status": "success", "response": {"data": [{"id": "z", "name": Z, "status": "active"}]}}),
                       ("recordsFind", {"status": "success", "response": {"data": []}}), done={"status": "success", "response": {"data": []}}),
    "hostinger": entry("developers.hostinger.com", ("^GET", [])),
    "huaweicloud": entry("dns.eu-west-101.myhuaweicloud.com", ("^GET /v2/zones/?[?]", {"zones": [{"id": "z", "name": f"{Z}."}]}), ("^GET", {"recordsets": []})),
    "ibmcloud": entry("api.softlayer.com", ("getByDomainName|getDomains|Account", [{"id": 1, "name": Z}]), ("getResourceRecords", []), done={"id": 1}),
    "infoblox": entry("gm.test", ("^GET", []), done='"record:txt/1"'),
    "infomaniak": entry("api.infomaniak.com", ("^GET", {"result": "success", "data": []}), done={"result": "success", "data": 1}),
    "inwx": entry("api.domrobot.com", ("account.login", {"code": 1000, "resData": {"tfa": "0"}}), ("nameserver.info", {"code": 1000, "resData": {"record": []}}),
                  ("account.logout", {"code": 1500}), done={"code": 1000, "resData": {"id": 1}}, headers={"set-cookie": "domrobot=x"}),
    "ionos": entry("api.hosting.ionos.com", ("^GET .*/v1/zones$", [{"id": "z", "name": Z}]), ("^GET", {"records": []}), done=[]),
    "ipv64": entry("ipv64.net", ("get_domains", {"subdomains": {Z: {"records": []}}}), done={"status": "200 OK", "info": "success"}),
    "joker": entry("dmapi.joker.com", ("/login", "Auth-Sid: sid\nStatus-Code: 0\n\n"), ("dns-zone-get", "Status-Code: 0\n\n"), done="Status-Code: 0\n\n"),
    "lightsail": entry("lightsail.us-east-1.amazonaws.com", ("GetDomain\\b", {"domain": {"name": Z, "domainEntries": []}}), done={"operation": {}}),
    "linode": entry("api.linode.com", ("^GET .*/domains$", {"data": [{"id": 1, "domain": Z}]}), ("^GET", {"data": [], "page": 1, "pages": 1})),
    "luadns": entry("api.luadns.com", ("^GET .*/records", []), ("^GET", [{"id": 1, "name": Z}]),
                    done={"id": 1, "name": "x", "type": "TXT", "content": "x", "ttl": 1}),
    "mythicbeasts": entry("api.mythic-beasts.com auth.mythic-beasts.com", ("/login", {"access_token": "x", "expires_in": 300, "token_type": "bearer"}),
                          ("^GET .*/zones$", {"zones": [Z]}), ("^GET", {"records": []}), done={"records_added": 1, "message": "1 record added"}),
    "namecheap": entry("api.namecheap.com", ("getHosts", '<ApiResponse Status="OK"><Errors/><CommandResponse><DomainDNSGetHostsResult/></CommandResponse></ApiResponse>'),
                       done='<ApiResponse Status="OK"><Errors/><CommandResponse><DomainDNSSetHostsResult IsSuccess="true"/></CommandResponse></ApiResponse>'),
    "namedotcom": entry("api.name.com", ("^GET", {"records": []})),
    "namesilo": entry("www.namesilo.com", ("dnsListRecords", "<namesilo><reply><code>300</code><detail>success</detail></reply></namesilo>"),
                      done="<namesilo><reply><code>300</code><detail>success</detail></reply></namesilo>"),
    "netcup": entry("ccp.netcup.net", ('"login"', {"status": "success", "statuscode": 2000, "responsedata": {"apisessionid": "x"}}),
                    ('"infoDnsRecords"', {"status": "success", "statuscode": 2000, "responsedata": {"dnsrecords": []}}),
                    ('"infoDnsZone"|"logout"', {"status": "success", "statuscode": 2000, "responsedata": {"ttl": "3600"}}),
                    done={"status": "success", "statuscode": 2000, "responsedata": {}}),
    "netlify": entry("api.netlify.com", ("^GET .*/dns_zones$|^GET .*/dns_zones[?]", [{"id": "z", "name": Z}]), ("^GET", [])),
    "nifcloud": entry("dns.api.nifcloud.com", ("^GET .*rrset", '<ListResourceRecordSetsResponse><ResourceRecordSets/><IsTruncated>false</IsTruncated></ListResourceRecordSetsResponse>'),
                      ("^GET .*/change/", '<GetChangeResponse><ChangeInfo><Id>1</Id><Status>INSYNC</Status></ChangeInfo></GetChangeResponse>'),
                      done='<ChangeResourceRecordSetsResponse><ChangeInfo><Id>1</Id><Status>INSYNC</Status></ChangeInfo></ChangeResourceRecordSetsResponse>'),
    "ns1": entry("api.nsone.net", ("^GET", 404)),
    "oraclecloud": entry("dns.eu-frankfurt-1.oraclecloud.com", ("^GET .*/zones[?]", [{"name": Z, "id": "z"}]), ("^GET", {"items": []}), done={"items": []}),
    "ovh": entry("eu.api.ovh.com", (f"^GET .*/zone/{Z}$", {}), ("^GET", []), ("refresh", "null")),
    "plesk": entry("plesk.test", ("^GET", [])),
    "porkbun": entry("api.porkbun.com", ("retrieve", {"status": "SUCCESS", "records": []}), done={"status": "SUCCESS"}),
    "safedns": entry("api.ukfast.io", ("^GET", {"data": []}), done={"data": {"id": 1, "name": "x", "type": "TXT", "content": "x"}}),
    "scaleway": entry("api.scaleway.com", ("^GET .*/dns-zones[?]", {"dns_zones": [{"domain": Z, "subdomain": ""}]}), ("^GET", {"records": []}), done={"records": []}),
    "selectel": entry("api.selectel.ru cloud.api.selcloud.ru", ("/auth/tokens", {"token": {"expires_at": "2030-01-01T00:00:00Z"}}), ("^GET .*/rrset", {"result": []}),
                      ("^GET", {"result": [{"id": "z", "name": f"{Z}."}]}), headers={"x-subject-token": "x"}),
    "simplycom": entry("api.simply.com", ("^GET .*/my/products/$", {"products": [{"object": Z, "domain": {"name": Z}}]}), ("^GET", {"records": []}),
                       done={"record": {"id": 1}, "status": 200}),
    "spaceship": entry("spaceship.dev", ("^GET", {"items": [], "total": 0})),
    "tencentcloud": entry("dnspod.tencentcloudapi.com", ("DescribeDomainList", {"Response": {"DomainList": [{"DomainId": 1, "Name": Z}], "DomainCountInfo": {"AllTotal": 1}}}),
                          ("DescribeRecordList", {"Response": {"RecordList": []}}), done={"Response": {"RecordId": 1}}),
    "transip": entry("api.transip.nl", ("/auth", {"token": "x"}), ("^GET", {"dnsEntries": []})),
    "vercel": entry("api.vercel.com", ("^GET", {"records": []}), done={"uid": "1"}),
    "volcengine": entry("open.volcengineapi.com", ("ListZones", {"Result": {"Zones": [{"ZID": 1, "ZoneName": Z}]}}), ("ListRecords", {"Result": {"Records": []}}),
                        done={"Result": {}}),
    "vultr": entry("api.vultr.com", ("^GET", {"records": []}), done={"record": {}}),
    "websupport": entry("rest.websupport.sk", ("/service[?]", {"items": [{"id": 1, "serviceName": "domain", "name": Z}]}), ("^GET", {"data": []})),
    "yandexcloud": entry("dns.api.cloud.yandex.net iam.api.cloud.yandex.net", ("/tokens", {"iamToken": "x", "expiresAt": "2030-01-01T00:00:00Z"}),
                         ("getRecordSet", 404), ("^GET", {"dnsZones": [{"id": "z", "zone": f"{Z}."}]}),
                         done={"done": True}),
    "zoneeu": entry("api.zone.eu", ("^GET .*/dns$", [{"name": Z}]), ("^GET", []), done=[{"id": "1", "name": "x", "destination": "x"}]),
}


class Written:
    """A vendor that holds nothing and takes everything."""

    count = 0

    def __init__(self, name):
        self.name, self.written = name, []
        self.hosts, self.looks, self.done, self.headers = LOOKS[name]

    def fault(self, rq):
        return None

    def answer(self, rq):
        action = rq.headers.get("X-TC-Action") or rq.headers.get("X-Amz-Target") or ""
        text = f"{rq.method} {rq.target} {action} {rq.body.decode()}".rstrip()
        plain = f"{rq.method} {rq.target}"
        for pattern, answer in self.looks:
            if re.search(pattern, plain if pattern.endswith("$") else text):
                return (answer, "", {}) if isinstance(answer, int) else (200, answer, self.headers)
        self.written.append({"method": rq.method, "target": rq.target, "body": rq.body.decode()})
        return 200, self.done, self.headers
