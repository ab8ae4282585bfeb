"""Constellix, v1.

read: recorded answers (dns-lexicon, `constellix`: what is made is answered with 200; texts are answered in quotes; a set that
is there is refused with 400; the `value` of an alias counts for nothing; `requestLimitHeader` 300); lego
(`providers/dns/constellix/internal`: searches, 404 where nothing is found, `errors` of a refusal); octodns-constellix
(refused tokens: 401 and "Unable to authenticate token"; aliases by `host`; the strings of a long text with nothing between
them); a report of 429 and "Rate limit exceeded" (go-acme/lego 2064); support.constellix.com, article 47001129642 (search for
records).
see also: https://api-docs.constellix.com
assumed: the smallest time to live of 30; the words about it, about missing values, and beside an alias; that an alias may
come by `host` within `roundRobin`, and is answered so beside its own `host`, and the bulk request (so the library; nobody's
answer was read); the words of 404."""
import base64, hashlib, hmac, time

from proxy import Refused
from store import TOKEN, ZoneFile, zone_text
from .fake import Fake, absolute, relative

no = lambda status, text: Refused(status, {"errors": [text]})
quoted = lambda text, between: between.join(f'"{part}"' for part in TOKEN.findall(text))


class Constellix(Fake):
    name, hosts, form = "constellix", ("api.dns.constellix.com",), ZoneFile
    key, secret = "cns-key", "cns-secret"

    def authorize(self, rq):
        parts = (rq.headers.get("x-cns-security-token") or "").split(":")
        if len(parts) != 3 or parts[0] != self.key:
            raise no(401, "Unable to authenticate token")
        signed = hmac.new(self.secret.encode(), parts[2].encode(), hashlib.sha1).digest()
        if base64.b64encode(signed).decode() != parts[1] or abs(int(parts[2]) / 1000 - time.time()) > 300:
            raise no(401, "Unable to authenticate token")

    def serve(self, rq):
        path = rq.path[2:]  # v1/domains
        if rq.path[1] == "geoFilters" or rq.path[1] == "pools":
            return 200, [], {}
        if path == ["search"]:
            found = [self.domain(zone) for zone in self.store.zones if zone == rq.query.get("exact")]
            if not found:
                raise no(404, "Requested domain was not found")
            return 200, found, {}
        if not path:
            return 200, [self.domain(zone) for zone in self.store.zones], {}
        zone = next((zone for zone, ident in self.store.zones.items() if str(ident) == path[0]), None)
        if zone is None:
            raise no(404, "Requested domain was not found")
        rest = path[2:]
        if not rest and rq.method == "POST":
            self.bulk(zone, rq.json())
            return 200, {"success": "Records processed successfully"}, {}
        if not rest:
            return 200, self.sets(zone, self.store.at(zone)), {}
        kind = rest[0].upper()
        if rest[1:] == ["search"]:
            found = self.store.at(zone, absolute(rq.query.get("exact", ""), zone, ""), kind)
            if not found:
                raise no(404, "Requested record was not found")
            return 200, self.sets(zone, found), {}
        if len(rest) == 1:
            if rq.method == "POST":
                name = self.create(zone, kind, rq.json())
                return 200, self.sets(zone, self.store.at(zone, name, kind)), {}
            return 200, self.sets(zone, self.store.at(zone, None, kind)), {}
        record = self.store.by_id(zone, rest[1])
        if record is None:
            raise no(404, "Requested record was not found")
        if rq.method == "DELETE":
            self.store.replace(zone, record.name, record.kind, 0, [])
            return 200, {"success": "Record  deleted successfully"}, {}
        body = rq.json()
        self.write(zone, record.name, kind, body)
        return 200, {"success": "Record  updated successfully"}, {}

    def domain(self, zone):
        return {"id": self.store.zones[zone], "name": zone, "status": "ACTIVE", "hasGeoIP": False, "hasGtdRegions": False}

    def create(self, zone, kind, body):
        name = absolute(body.get("name", ""), zone, "")
        if self.store.at(zone, name, kind):
            raise no(400, f'"{kind}" record with name "{body.get("name")}" in GTD Region "Default" of domain "{zone}" already exists')
        if self.store.clash(zone, name, kind):
            raise no(400, "CNAME record cannot be created with the same name as another record")
        self.write(zone, name, kind, body)
        return name

    def write(self, zone, name, kind, body):
        values = []
        for entry in body.get("roundRobin") or ([{"host": body["host"]}] if body.get("host") else []):
            value = entry.get("value") if kind != "CNAME" and entry.get("value") is not None else entry.get("host", "")
            if kind == "TXT":
                value = quoted(value, " ") if value.startswith('"') else zone_text(value)
            if kind == "CNAME" and value and not value.endswith("."):
                value = f"{value}.{zone}."
            values.append(value)
        if not any(values):
            raise no(400, "roundRobin: This field is required.")
        if not isinstance(body.get("ttl"), int) or body["ttl"] < 30:
            raise no(400, "ttl: Value must be at least 30")
        self.store.replace(zone, name, kind, body["ttl"], values)

    def bulk(self, zone, operations):
        for one in operations:
            kind = one["type"].upper()
            if one.get("delete"):
                self.store.replace(zone, absolute(one["filter"]["value"], zone, ""), kind, 0, [])
            if one.get("add"):
                self.create(zone, kind, one["set"])

    def sets(self, zone, records):
        shown = []
        for name, kind in sorted({(one.name, one.kind) for one in records}):
            here = self.store.at(zone, name, kind)
            text = lambda one: quoted(one.value, "") if kind == "TXT" else one.value
            entries = [{"value": text(one), "disableFlag": False} for one in here]
            if kind == "CNAME":
                entries = [{"host": one.value, **entry} for one, entry in zip(here, entries)]
            if kind == "MX":
                entries = [{"level": int(one.value.split()[0]), "value": one.value.split()[1], "disableFlag": False} for one in here]
            value = here[0].value if kind == "CNAME" else entries
            shown.append({"id": here[0].id, "type": kind, "recordType": kind.lower(), "name": relative(name, zone, ""),
                          "recordOption": "roundRobin", "ttl": here[0].ttl, "gtdRegion": 1, "source": "Domain", "parent": "domain",
                          "geolocation": None, "value": value, "roundRobin": entries, "host": here[0].value if kind == "CNAME" else None})
        return shown
