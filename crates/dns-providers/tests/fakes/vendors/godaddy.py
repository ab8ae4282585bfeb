"""GoDaddy, v1.

read: recorded answers (dns-lexicon, `godaddy`: records, an empty list where there is no set, NOT_FOUND of a domain, 200
without a body); lego (`providers/dns/godaddy/internal`: `fields` of a refusal, TTL at least 600); answers in reports of
others: UNABLE_TO_AUTHENTICATE with 401 (acmesh-official/acme.sh 1564, qdm12/ddns-updater 91), the refusal of a small TTL
(josteink/le-godaddy-dns 1), "Another record with the same attributes already exists" (lmammino/godaddy-dns 10), ACCESS_DENIED
with 403 for accounts that may not use the API (jeessy2/ddns-go 1105), 429 after about 60 requests in a minute
(n3integration/terraform-provider-godaddy 6).
see also: https://developer.godaddy.com/doc/endpoint/domains
assumed: how many domains are listed at once; the largest TTL; 404 where a set that is not there is deleted; the code DUPLICATE_RECORD; the refusal beside an
alias."""
from proxy import Refused
from .fake import Fake, absolute, relative

no = lambda status, code, message: Refused(status, {"code": code, "message": message})
unfit = lambda path, code, message: Refused(422, {
    "code": "INVALID_BODY", "fields": [{"code": code, "message": message, "path": path}],
    "message": "Request body doesn't fulfill schema, see details in `fields`"})


class GoDaddy(Fake):
    name, hosts, key = "godaddy", ("api.godaddy.com",), "sso-key gd-key:gd-secret"

    def authorize(self, rq):
        if rq.headers.get("Authorization") != self.key:
            raise no(401, "UNABLE_TO_AUTHENTICATE", "Unauthorized : Could not authenticate API key/secret")

    def serve(self, rq):
        if rq.path == ["v1", "domains"]:
            size, after = int(rq.query.get("limit", 100)), rq.query.get("marker", "")
            return 200, [{"domain": zone, "status": "ACTIVE"} for zone in sorted(self.store.zones) if zone > after][:size], {}
        _, _, zone, *rest = rq.path
        if zone not in self.store.zones:
            raise no(404, "NOT_FOUND", f"Domain {zone} not found for shopper")
        if not rest:
            return 200, {"domain": zone, "domainId": self.store.zones[zone], "status": "ACTIVE"}, {}
        kind = rest[1] if len(rest) > 1 else None
        name = absolute(rest[2], zone, "@") if len(rest) > 2 else None
        if rq.method == "GET":
            return 200, [self.shown(one) for one in self.store.at(zone, name, kind)], {}
        if rq.method == "DELETE":
            if not self.store.at(zone, name, kind):
                raise no(404, "NOT_FOUND", "The given domain is not registered, or does not have a zone file")
            self.store.replace(zone, name, kind, 0, [])
            return 204, "", {}
        bodies = rq.json()
        if rq.method == "PATCH":
            for one in bodies:
                self.check(zone, absolute(one["name"], zone, "@"), one["type"], [one])
                self.store.add(zone, absolute(one["name"], zone, "@"), one["type"], one.get("ttl", 3600), one["data"])
            return 200, "", {}
        names = {name} if name else {absolute(one["name"], zone, "@") for one in bodies} | {one.name for one in self.store.at(zone, None, kind)}
        for each in names:
            here = [one for one in bodies if name or absolute(one["name"], zone, "@") == each]
            self.check(zone, each, kind, here)
            self.store.replace(zone, each, kind, 0, [])
            for one in here:
                self.store.add(zone, each, kind, one.get("ttl", 3600), one["data"])
        return 200, "", {}

    def check(self, zone, name, kind, bodies):
        for at, one in enumerate(bodies):
            if one.get("ttl", 3600) < 600:
                raise unfit(f"records[{at}].ttl", "UNKNOWN_RESTRICTION", "must have a minimum value of 600")
            if one.get("ttl", 3600) > 604800:
                raise unfit(f"records[{at}].ttl", "UNKNOWN_RESTRICTION", "must have a maximum value of 604800")
            if not one.get("data"):
                raise unfit(f"records[{at}].data", "MISSING_DATA", "is required")
        if len({one["data"] for one in bodies}) < len(bodies):
            raise no(422, "DUPLICATE_RECORD", "Another record with the same attributes already exists")
        if self.store.clash(zone, name, kind) and not (kind == "CNAME" and self.store.at(zone, name, kind)):
            raise no(422, "INVALID_VALUE_ENTRY", "A CNAME record cannot share its name with another record")

    def shown(self, one):
        return {"data": one.value, "name": relative(one.name, one.zone, "@"), "ttl": one.ttl, "type": one.kind}
