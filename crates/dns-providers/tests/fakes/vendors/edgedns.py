"""Akamai Edge DNS, v2.

read: the vendor's description of the API (github.com/akamai/akamai-apis, `apis/config-dns/v2`: record sets by name and type,
POST makes with 201, PUT replaces with 200, DELETE with 204, values as in a zone file, fields of a problem);
https://techdocs.akamai.com/edge-dns/docs/features (smallest time to live: 300 seconds, unless a contract says otherwise);
https://techdocs.akamai.com/edge-dns/reference/429 (that there is one, no more); the 401 of the vendor's other APIs, which the
same gate answers (https://techdocs.akamai.com/iam-api/reference/401); answers in reports of others ("The signature does not
match": akamai/AkamaiOPEN-edgegrid-powershell 10; 404 of a record set: linode/cluster-api-provider-linode 419; of a zone:
DNSControl's page on this vendor; beside an alias: akamai/terraform-provider-akamai 462).
see also: https://techdocs.akamai.com/edge-dns/reference/edge-dns-api and
https://techdocs.akamai.com/developer/docs/authenticate-with-edgegrid (the signature is compared with the client
edgegrid-python)
assumed: the refusal of a timestamp; 409 for a set that is there; 400 and its words; status 422 beside an alias; that less
than 300 seconds is refused (values of 60 and 120 are in use elsewhere)."""
import base64, hashlib, hmac, re, time
from calendar import timegm
from http import HTTPStatus

from proxy import Refused
from store import ZoneFile, strings
from .fake import Fake, page

problem = lambda status, kind, title, detail: Refused(
    status, {"type": f"https://problems.luna.akamaiapis.net/{kind}", "title": title, "status": status, "detail": detail},
    {"content-type": "application/problem+json"})
denied = lambda detail: problem(401, "-/pep-authn/deny", "Not authorized", detail)
missing = lambda detail: problem(404, "authoritative-dns/notFound", "Not Found", detail)
no = lambda status, detail: problem(status, "authoritative-dns/", HTTPStatus(status).phrase, detail)
b64 = lambda data: base64.b64encode(data).decode()
mac = lambda key, text: hmac.new(key.encode(), text.encode(), hashlib.sha256).digest()


class EdgeDns(Fake):
    name, hosts, form = "edgedns", ("akab-test.luna.akamaiapis.net",), ZoneFile
    client, secret, access = "ct", "edge-secret", "at"

    def authorize(self, rq):
        header = rq.headers.get("Authorization", "")
        fields = dict(re.findall(r"(\w+)=([^;]+)", header))
        if fields.get("client_token") != self.client or fields.get("access_token") != self.access:
            raise denied("Inactive client token")
        body = b64(hashlib.sha256(rq.body).digest()) if rq.method == "POST" and rq.body else ""
        put = b64(hashlib.sha256(rq.body).digest()) if rq.method == "PUT" and rq.body else ""
        # Akamai hashes the body of POST alone; the library signs that of PUT as well, and the vendor's own client does not.
        unsigned = header.split("signature=")[0]
        sign = lambda content: b64(mac(b64(mac(self.secret, fields.get("timestamp", ""))),
                                       "\t".join([rq.method, "https", self.hosts[0], rq.target, "", content, unsigned])))
        if header.split("signature=")[-1] not in (sign(body), sign(put)):
            raise denied("The signature does not match")
        if abs(timegm(time.strptime(fields["timestamp"], "%Y%m%dT%H:%M:%S+0000")) - time.time()) > 30:
            raise no(400, "Invalid timestamp")

    def serve(self, rq):
        if rq.path[3:] == []:  # config-dns/v2/zones
            size, number = int(rq.query.get("pageSize", 25)), int(rq.query.get("page", 1))
            zones = [{"zone": zone, "type": "PRIMARY"} for zone in self.store.zones if rq.query.get("search", "") in zone]
            return 200, {"metadata": {"page": number, "pageSize": size, "totalElements": len(zones)},
                         "zones": page(zones, size, number)[0]}, {}
        _, _, _, zone, *rest = rq.path
        zone = zone.lower()
        if zone not in self.store.zones:
            raise missing(f"Unable to find zone '{zone}'")
        if not rest:
            return 200, {"zone": zone, "type": "PRIMARY", "activationState": "ACTIVE"}, {}
        if rest == ["recordsets"]:
            sets = sorted({(one.name, one.kind) for one in self.store.at(zone)})
            return 200, {"metadata": {"totalElements": len(sets)}, "recordsets": [self.shown(zone, *key) for key in sets]}, {}
        name, kind = rest[1].lower(), rest[3]
        here = self.store.at(zone, name, kind)
        if not here and rq.method != "POST":
            raise missing(f"Unable to find record set with name {name} and type {kind}")
        if rq.method == "DELETE":
            self.store.replace(zone, name, kind, 0, [])
            return 204, "", {}
        if rq.method == "GET":
            return 200, self.shown(zone, name, kind), {}
        if rq.method == "POST" and here:
            raise no(409, "Record Set already exists")
        self.write(zone, name, kind, rq.json())
        return (201 if rq.method == "POST" else 200), self.shown(zone, name, kind), {}

    def write(self, zone, name, kind, body):
        values, ttl = body.get("rdata") or [], body.get("ttl")
        if not values or body.get("name", "").lower() != name or body.get("type") != kind:
            raise no(400, "name, type and rdata are required")
        if not isinstance(ttl, int) or not 300 <= ttl <= 2147483647:
            raise no(400, "TTL must be between 300 and 2147483647")
        if kind == "TXT" and any(not value.startswith('"') for value in values):
            raise no(400, "TXT rdata must be in quotes")
        if kind == "TXT" and any(len(part.encode()) > 255 for value in values for part in strings(value)):
            raise no(400, "TXT rdata strings must not exceed 255 characters")
        if self.store.clash(zone, name, kind) and not (kind == "CNAME" and self.store.at(zone, name, kind)):
            raise problem(422, "authoritative-dns/cnameCollision", "Invalid rdata - CNAME collision",
                          "CNAME must be the only record for a given name")
        self.store.replace(zone, name, kind, ttl, values)

    def shown(self, zone, name, kind):
        here = self.store.at(zone, name, kind)
        return {"name": name, "type": kind, "ttl": here[0].ttl, "rdata": [one.value for one in here]}
