"""NS1.

read: recorded answers (dns-lexicon, `nsone`: records, "zone not found" and "record not found" with 404, PUT and POST and
DELETE with 200, `X-Ratelimit-*` of 900 in 300 seconds); the vendor's Go client (github.com/ns1/ns1-go, `rest/record.go`: PUT
makes, POST changes, "record already exists"); https://www.ibm.com/docs/en/SSSYGZ/getting_started/api_rate_limiting.html
(tokens by endpoint; 429 is in ns1-terraform/terraform-provider-ns1 2; `Retry-After` is nowhere); ns1/ns1-go 106 and
ns1/ns1-python 67 (a zone's name in the account, by which it is addressed, and its FQDN, which several may share in views).
see also: https://developer.ibm.com/apis/catalog/ns1--ibm-ns1-connect-api/
assumed: the words of 401; status 400 for a record that is there; all refusals of a body, also beside an alias; that any time
to live from 1 on is taken."""
from proxy import Refused
from .fake import Fake


class Ns1(Fake):
    name, hosts, key = "ns1", ("api.nsone.net",), "ns1-key"

    def authorize(self, rq):
        if rq.headers.get("X-NSONE-Key") != self.key:
            raise Refused(401, {"message": "Unauthorized"})

    def serve(self, rq):
        if rq.path == ["v1", "zones"]:
            return self.zones(rq)
        _, _, called, *rest = rq.path
        store, zone = self.named(called)
        if not rest:
            return 200, self.zone(store, called, zone), {}
        name, kind = rest
        here = store.at(zone, name, kind)
        if rq.method == "PUT" and here:
            raise Refused(400, {"message": "record already exists"})
        if rq.method != "PUT" and not here:
            raise Refused(404, {"message": "record not found"})
        if rq.method == "DELETE":
            store.replace(zone, name, kind, 0, [])
            return 200, {}, {}
        if rq.method in ("PUT", "POST"):
            self.write(store, zone, name, kind, rq.json())
        return 200, self.record(store, zone, name, kind), {}

    def zones(self, rq):
        """2500 a page; `Link` leads to the next."""
        every = [(called, called, store) for store in (self.store,) for called in store.zones]
        every += [(view, zone, store) for view, store in self.views.items() for zone in store.zones]
        every = sorted((one for one in every if one[0] > rq.query.get("after", "")), key=lambda one: one[0])
        size = int(rq.query.get("limit", 2500))
        shown = [{"name": called, "zone": zone, "id": str(store.zones[zone])} for called, zone, store in every[:size]]
        link = {"link": f'<https://{self.hosts[0]}/v1/zones?after={shown[-1]["name"]}>; rel="next"'} if len(every) > size else {}
        return 200, shown, link

    def named(self, called):
        """A zone is addressed by its name in the account, which need not be its FQDN where there are views."""
        if called in self.store.zones:
            return self.store, called
        if called in self.views and self.views[called].zones:
            return self.views[called], next(iter(self.views[called].zones))
        raise Refused(404, {"message": "zone not found"})

    def write(self, store, zone, name, kind, body):
        if not (name == zone or name.endswith("." + zone)):
            raise Refused(400, {"message": "Input validation failed (domain not in zone)"})
        answers, ttl = body.get("answers"), body.get("ttl", 3600)
        if not answers or any(not isinstance(one.get("answer"), list) for one in answers):
            raise Refused(400, {"message": "Input validation failed (answers required)"})
        if not isinstance(ttl, int) or ttl < 1:
            raise Refused(400, {"message": "Input validation failed (ttl must be a positive integer)"})
        if store.clash(zone, name, kind) and not (kind == "CNAME" and store.at(zone, name, kind)):
            raise Refused(400, {"message": "record conflicts with a CNAME record"})
        values = [" ".join(one["answer"]) for one in answers]
        if len(set(values)) < len(values):
            raise Refused(400, {"message": "duplicate answer"})
        store.replace(zone, name, kind, ttl, values)

    def record(self, store, zone, name, kind):
        here = store.at(zone, name, kind)
        parts = (lambda value: [value]) if kind == "TXT" else str.split
        answers = [{"answer": parts(one.value), "id": str(one.id)} for one in here]
        return {"domain": name, "zone": zone, "type": kind, "ttl": here[0].ttl, "answers": answers, "tier": 1,
                "filters": [], "meta": {}, "regions": {}, "use_client_subnet": True, "id": str(here[0].id)}

    def zone(self, store, called, zone):
        sets = sorted({(one.name, one.kind) for one in store.at(zone)})
        records = [{"domain": name, "type": kind, "ttl": store.at(zone, name, kind)[0].ttl, "tier": 1, "link": None,
                    "short_answers": [one.value for one in store.at(zone, name, kind)]} for name, kind in sets]
        return {"zone": zone, "name": called, "records": records, "ttl": 3600, "dns_servers": [], "id": str(store.zones[zone])}
