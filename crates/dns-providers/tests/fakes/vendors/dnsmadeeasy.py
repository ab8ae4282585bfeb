"""DNS Made Easy, API V2.0.

read: recorded answers (dns-lexicon, `dnsmadeeasy`: texts are answered in quotes however they were sent; a second one is
refused with 400; a domain that is not there is a page with 404; `x-dnsme-requestLimit` 150; one record is made without
`gtdLocation`); reports of others with the vendor's answers: 400 and "Rate limit exceeded", undocumented (AnalogJ/lexicon 437,
acmesh-official/acme.sh 3830), 403 for refused keys (AnalogJ/lexicon 114), the words about a date that is out of sync
(acmesh-official/acme.sh 463, webprofusion/certify 542); the vendor's words that its API takes no quotes within a text
(DNSControl/dnscontrol 1093); octodns-dnsmadeeasy ("API key not found").
see also: https://api-docs.dnsmadeeasy.com/
assumed: status 403 for a date out of sync, and 30 seconds as its limit (38 and 48 were refused); words about names, lengths
and aliases; the answer of `createMulti`, and that it wants `gtdLocation` (500 without, says the library's changelog; nobody's
answer was read). A smallest time to live is not enforced: no document of it was found."""
import email.utils, hashlib, hmac, re, time

from proxy import Refused
from store import ZoneFile, strings, zone_text
from .fake import Fake, absolute, relative

no = lambda status, text: Refused(status, {"error": [text]})


class DnsMadeEasy(Fake):
    name, hosts, form = "dnsmadeeasy", ("api.dnsmadeeasy.com",), ZoneFile
    key, secret = "dme-key", "dme-secret"

    def authorize(self, rq):
        date = rq.headers.get("x-dnsme-requestDate", "")
        signed = hmac.new(self.secret.encode(), date.encode(), hashlib.sha1).hexdigest()
        if rq.headers.get("x-dnsme-apiKey") != self.key or rq.headers.get("x-dnsme-hmac") != signed:
            raise no(403, "API key not found")
        sent = email.utils.parsedate_to_datetime(date).timestamp()
        apart = int((time.time() - sent) * 1000)
        if abs(apart) > 30_000:
            raise no(403, "Request sent with date header too far out of sync.  "
                          f"Difference in times is {apart}, header value is {int(sent * 1000)}")

    def serve(self, rq):
        path = rq.path[3:]  # V2.0/dns/managed
        if path == ["name"] or path[:1] == ["id"]:
            zone = rq.query.get("domainname", "") or path[1]
            if zone not in self.store.zones:
                raise Refused(404, "<!DOCTYPE html><html>not found</html>", {"content-type": "text/html"})
            return 200, self.domain(zone), {}
        if not path:
            zones = [self.domain(zone) for zone in self.store.zones]
            return 200, {"totalPages": 1, "totalRecords": len(zones), "data": zones, "page": 0}, {}
        zone = next((zone for zone, ident in self.store.zones.items() if str(ident) == path[0]), None)
        if zone is None:
            raise Refused(404, "")
        if rq.method == "POST":
            bodies = rq.json() if path[2:] == ["createMulti"] else [rq.json()]
            if path[2:] and any(body.get("gtdLocation") != "DEFAULT" for body in bodies):
                raise no(500, "unexpected error")  # as dns-update 0.5.4 found
            made = [self.create(zone, body) for body in bodies]
            return 201, [self.shown(one) for one in made] if path[2:] else self.shown(made[0]), {}
        if rq.method == "DELETE":
            idents = [value for key, value in rq.queries if key == "ids"] if len(path) == 2 else [path[2]]
            gone = [self.store.by_id(zone, ident) for ident in idents]
            if None in gone:
                raise no(404, "Record not found.")
            for one in gone:
                self.store.remove(one)
            return 200, "", {}
        name = rq.query.get("recordName")
        records = self.store.at(zone, absolute(name, zone, "") if name is not None else None, rq.query.get("type"))
        records = [one for one in records if one.kind != "NS" or one.name != zone]  # those of the apex are the account's own
        data = [self.shown(one) for one in records]
        return 200, {"totalPages": 1, "totalRecords": len(data), "data": data, "page": 0}, {}

    def domain(self, zone):
        return {"name": zone, "id": self.store.zones[zone], "nameServers": [], "processMulti": False, "pendingActionId": 0}

    def create(self, zone, body):
        label, kind, value, ttl = body.get("name"), body.get("type"), body.get("value", ""), body.get("ttl", 86400)
        if not re.fullmatch(r"[A-Za-z0-9_*.-]*", label or ""):
            raise no(400, f"Record name '{label}' contains invalid characters")
        name = absolute(label, zone, "")
        if kind == "TXT":
            value = value if value.startswith('"') else zone_text(value)
            if any(len(part.encode()) > 255 for part in strings(value)):
                raise no(400, "TXT record strings cannot be longer than 255 characters")
        if any(one.value == value for one in self.store.at(zone, name, kind)):
            raise no(400, f"Record with this type ({kind}), name ({label}), and value ({value}) already exists.")
        if self.store.clash(zone, name, kind):
            raise no(400, "A CNAME record cannot be created with the same name as another record.")
        return self.store.add(zone, name, kind, ttl, value)

    def shown(self, one):
        value, level = one.value, None
        if one.kind == "MX":
            level, value = int(value.split()[0]), value.split()[1]
        return {"name": relative(one.name, one.zone, ""), "value": value, "id": one.id, "type": one.kind, "ttl": one.ttl,
                "source": 1, "sourceId": self.store.zones[one.zone], "failover": False, "monitor": False, "failed": False,
                "dynamicDns": False, "hardLink": False, "gtdLocation": "DEFAULT", **({"mxLevel": level} if level else {})}
