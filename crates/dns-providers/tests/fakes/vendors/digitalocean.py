"""DigitalOcean, v2.

read: the vendor's description of the API (github.com/digitalocean/openapi, `specification`: filters `name`, as a full name,
and `type`; `per_page`; scopes; bodies of 401, 404, 422; 429 `too_many_requests`, with `retry-after` for bursts alone);
recorded answers (dns-lexicon, `digitalocean`: records, paging, not_found); answers in reports of others: "Data needs to end
with a dot (.)" (digitalocean/api-v2 130), "CNAME records cannot share a name with other records"
(kubernetes-sigs/external-dns 4802). The description writes the id of 401 in lower case and ends its words with a dot; others
had it from the API as it is here.
see also: https://docs.digitalocean.com/reference/api/digitalocean/#tag/Domain-Records
assumed: the refusal of a TTL below 30 and of an empty value, in these words (that it is 30 is others' word: neatnik/omg.lol
37, lego)."""
from proxy import Refused
from .fake import Fake, absolute, page, relative


class DigitalOcean(Fake):
    name, hosts, key = "digitalocean", ("api.digitalocean.com",), "do-token"

    def authorize(self, rq):
        if rq.headers.get("Authorization") != f"Bearer {self.key}":
            raise Refused(401, {"id": "Unauthorized", "message": "Unable to authenticate you"})

    def serve(self, rq):
        if rq.path == ["v2", "domains"]:
            zones = [{"name": zone, "ttl": 1800} for zone in self.store.zones]
            return 200, self.page("domains", zones, rq), {}
        _, _, zone, *rest = rq.path
        if zone not in self.store.zones:
            raise self.missing()
        if not rest:
            return 200, {"domain": {"name": zone, "ttl": 1800}}, {}
        if len(rest) == 2:
            record = self.store.by_id(zone, rest[1])
            if record is None:
                raise self.missing()
            self.store.remove(record)
            return 204, "", {}
        if rq.method == "POST":
            return 201, {"domain_record": self.shown(self.create(zone, rq.json()))}, {}
        return 200, self.listed(zone, rq), {}

    @staticmethod
    def missing():
        return Refused(404, {"id": "not_found", "message": "The resource you were accessing could not be found."})

    def create(self, zone, body):
        no = lambda why: Refused(422, {"id": "unprocessable_entity", "message": why})
        kind, data, ttl = body.get("type"), body.get("data", ""), body.get("ttl", 1800)
        name = absolute(body.get("name", ""), zone, "@")
        if not data:
            raise no("Data can't be blank.")
        if ttl < 30:
            raise no("TTL must be greater than or equal to 30.")
        if kind == "CNAME" and not data.endswith("."):
            raise no("Data needs to end with a dot (.)")
        if self.store.clash(zone, name, kind):
            raise no("CNAME records cannot share a name with other records")
        return self.store.add(zone, name, kind, ttl, data.rstrip(".") if kind == "CNAME" else data)

    def listed(self, zone, rq):
        records = [self.shown(one) for one in self.store.at(zone, rq.query.get("name"), rq.query.get("type"))]
        return self.page("domain_records", records, rq)

    def page(self, what, items, rq):
        size, number = min(int(rq.query.get("per_page", 20)), 200), int(rq.query.get("page", 1))
        here, more = page(items, size, number)
        at = lambda other: f"https://{self.hosts[0]}{rq.target.split('?')[0]}?page={other}"
        pages = {"first": at(1), "prev": at(number - 1)} if number > 1 else {}
        pages |= {"next": at(number + 1), "last": at(-(-len(items) // size))} if more else {}
        return {what: here, "links": {"pages": pages} if pages else {}, "meta": {"total": len(items)}}

    def shown(self, one):
        data, priority = one.value.rstrip(".") if one.kind in ("CNAME", "NS", "MX") else one.value, None
        if one.kind == "MX":
            priority, data = int(data.split()[0]), data.split()[1]
        return {"id": one.id, "type": one.kind, "name": relative(one.name, one.zone, "@"), "data": data, "ttl": one.ttl,
                "priority": priority, "port": None, "weight": None, "flags": None, "tag": None}
