"""Infoblox NIOS, WAPI.

read: recorded answers (dns-lexicon, `infoblox`: records by name and view, references, an empty list, a single string without
its quotes); answers in reports of others: no such zone (Infoblox-Development/Infoblox-API-Python 30,
AbsaOSS/external-dns-infoblox-webhook 20), a record that is there (infobloxopen/infoblox-ansible 84), no such view
(theforeman/smart_proxy_dhcp_infoblox 38), several strings, of which only those with blanks are in quotes
(infobloxopen/terraform-provider-infoblox 344). A record inherits the zone's time to live unless `use_ttl` says otherwise.
see also: https://docs.infoblox.com/space/NWAPI/32310369/WAPI+Documentation
assumed: the page of 401, and the cookie; that a text with blanks outside quotes is several strings; the refusals of a final
dot, beside an alias, and of a reference that is gone. Nothing was found about limits of requests."""
import base64, json, re

from proxy import Refused
from store import TOKEN, ZoneFile, zone_text
from .fake import Fake

CODES = {"AdmConDataNotFoundError": "Data.NotFound", "AdmDataNotFoundError": "Data.NotFound", "AdmConProtoError": "Proto"}
no = lambda status, kind, text: Refused(status, {"Error": f"{kind}: {text}", "code": f"Client.Ibap.{CODES[kind]}", "text": text})
conflict = lambda text: Refused(400, {"Error": f"AdmConDataError: None (IBDataConflictError: IB.Data.Conflict:{text})",
                                      "code": "Client.Ibap.Data.Conflict", "text": text})
FIELDS = {"txt": "text", "cname": "canonical", "a": "ipv4addr", "mx": "mail_exchanger", "ns": "nameserver"}


class Infoblox(Fake):
    name, hosts, form = "infoblox", ("gm.test",), ZoneFile
    key, told = "nios-user:nios-password", "default"

    def authorize(self, rq):
        good = base64.b64encode(self.key.encode()).decode()
        if rq.headers.get("Authorization") != f"Basic {good}" and "ibapauth=good" not in (rq.headers.get("Cookie") or ""):
            raise Refused(401, "<html><title>401 Authorization Required</title></html>", {"content-type": "text/html"})

    def serve(self, rq):
        thing = rq.path[2]
        cookie = {"set-cookie": "ibapauth=good; path=/"}
        if thing == "zone_auth":
            zones = [{"_ref": f"zone_auth/{zone}:{zone}/{view}", "fqdn": zone, "view": view} for view, store in self.all().items()
                     for zone in store.zones if (zone, view) == (rq.query.get("fqdn", zone), rq.query.get("view", view))]
            most = int(rq.query.get("_max_results", -1000))
            if most < 0 and len(zones) > -most:
                raise no(400, "AdmConProtoError", f"Result set too large (> {-most})")
            return 200, zones[:abs(most)], cookie
        if thing in ("view", "?_schema", "grid", "network"):
            return 200, [], cookie
        kind = thing.removeprefix("record:")
        if rq.method == "POST":
            return 201, json.dumps(self.ref(self.create(kind, rq.json()))), cookie
        if rq.method == "DELETE":
            ident = rq.path[3].split(":")[0]
            store, record = next(((store, one) for store in self.all().values() for one in store.records if str(one.id) == ident),
                                 (None, None))
            if record is None:
                raise no(404, "AdmDataNotFoundError", "Reference not found")
            reference = self.ref(record)
            store.remove(record)
            return 200, json.dumps(reference), cookie
        if rq.query.get("view", self.told) not in self.all():
            raise no(404, "AdmConDataNotFoundError", f"View {rq.query['view']} not found")
        looked = [self.all()[rq.query["view"]]] if "view" in rq.query else self.all().values()
        found = [one for store in looked for one in store.records if one.kind == kind.upper()
                 and one.name == rq.query.get("name", one.name) and one.kind.lower() in FIELDS]
        return 200, [self.shown(one, rq.query.get("_return_fields")) for one in found], cookie

    def create(self, kind, body):
        name, value = body.get("name", "").lower(), body.get(FIELDS[kind], "")
        view = body.get("view", self.told)
        if view not in self.all():
            raise no(404, "AdmConDataNotFoundError", f"View {view} not found")
        store = self.all()[view]
        zones = [zone for zone in store.zones if name == zone or name.endswith("." + zone)]
        if not zones:
            raise conflict("The action is not allowed. A parent was not found.")
        if kind == "txt":
            value = value if value.startswith('"') or " " not in value else " ".join(f'"{part}"' for part in value.split())
        elif value.endswith("."):
            raise no(400, "AdmConProtoError", f"Invalid value for field {FIELDS[kind]}: must not end with a dot")
        zone = max(zones, key=len)
        if any(one.value == value for one in store.at(zone, name, kind.upper())):
            raise conflict(f"The record '{name}' already exists.")
        if store.clash(zone, name, kind.upper()):
            raise conflict("A CNAME record cannot share its name.")
        ttl = body.get("ttl", 28800) if body.get("use_ttl", "ttl" in body) else 28800
        return store.add(zone, name, kind.upper(), ttl, value)

    def all(self):
        """The views: whatever others there are, and the one that the client is told."""
        return {**self.views, self.told: self.store}

    def ref(self, one):
        view = next(view for view, store in self.all().items() if one in store.records)
        return f"record:{one.kind.lower()}/{one.id}:{one.name}/{view}"

    def shown(self, one, fields):
        """The fields that were asked for; name, value and view where none were."""
        value, field = bare(one.value) if one.kind == "TXT" else one.value.rstrip("."), FIELDS[one.kind.lower()]
        every = {"_ref": self.ref(one), "name": one.name, field: value, "view": self.ref(one).rsplit("/", 1)[1], "ttl": one.ttl,
                 "use_ttl": True}
        return {name: every[name] for name in ["_ref", *(fields.split(",") if fields else ["name", field, "view"])]}


def bare(value):
    """Each string is answered without its quotes where it needs none."""
    return TOKEN.sub(lambda found: found[1] if re.fullmatch(r"[^\\\s]+", found[1]) else found[0], value)


class Spelled(ZoneFile):
    def shown(self, kind, value):
        if kind == "TXT":
            return value if value.startswith('"') else zone_text(value)
        return value


Infoblox.form = Spelled
