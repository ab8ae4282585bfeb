"""UltraDNS.

read: the vendor's examples of requests and answers (github.com/ultradns/postman, `src/UDNS.postman_collection.json`: each
field of a token under two names; POST makes a set, PUT "updates an existing" one); its Go client and the tests of that client
at the real API (github.com/ultradns/ultradns-go-sdk, `pkg/record/service_test.go` and its history: 1801, 70005, 1000; 70002
where a set is read that is not there, 56001 where it is deleted); its Python client
(github.com/ultradns/python_rest_api_client: 60001 makes it ask for a new token, 429 makes it wait); recorded answers
(dns-lexicon, `ultradns`: texts without quotes, an alias without final dot is relative, 201 and 204); its Terraform provider
(`docs/resources/record.md`: time to live from 0 on); octodns-ultra (401; 70002 with 404).
see also: https://docs.ultradns.com/Content/REST%20API/Content/REST%20API/Introduction.htm
assumed: that PUT of a set that is not there is refused like DELETE; 2111 where a set is made twice (the code is from the
vendor's older interface); code and words of the refusal beside an alias; that refused credentials have status 401."""
import itertools

from proxy import Refused
from .fake import Fake, page

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "MX": 15, "TXT": 16, "AAAA": 28}
no = lambda status, code, text: Refused(status, [{"errorCode": code, "errorMessage": text}])


class UltraDns(Fake):
    name, hosts = "ultradns", ("api.ultradns.com",)
    login = {"username": "ultra-user", "password": "ultra-password"}
    numbers = itertools.count(1)

    def __init__(self, stores):
        super().__init__(stores)
        self.tokens, self.refresh = set(), set()

    def expire(self):
        self.tokens.clear()

    def path(self, rq):
        return rq.path[1:] if rq.path[0] in ("v1", "v2", "v3") else rq.path

    def authorize(self, rq):
        if self.path(rq)[0] == "authorization":
            return
        if rq.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
            raise Refused(401, {"errorCode": 60001, "errorMessage": "invalid_grant:token not found, expired or invalid"})

    def serve(self, rq):
        path = self.path(rq)
        if path == ["authorization", "token"]:
            return 200, self.token(rq.form()), {}
        if path == ["zones"]:
            zones = [{"properties": {"name": f"{zone}.", "valimailMonitor": False}} for zone in self.store.zones]
            size, number = min(int(rq.query.get("limit", 100)), 1000), int(rq.query.get("cursor", 1))
            here, more = page(zones, size, number)
            return 200, {"zones": here, "cursorInfo": {"next": str(number + 1)} if more else {}, "queryInfo": {}}, {}
        zone = path[1].rstrip(".").lower()
        if zone not in self.store.zones:
            raise no(404, 1801, "Zone does not exist in the system.")
        if len(path) <= 4 and rq.method == "GET":
            return 200, self.listed(zone, path[3] if len(path) > 3 else None), {}
        kind, name = path[3].upper(), path[4].rstrip(".").lower()
        return self.set(rq, zone, name, kind)

    def token(self, form):
        if form.get("grant_type") == "password":
            good = all(form.get(key) == value for key, value in self.login.items())
        else:
            good = form.get("refresh_token") in self.refresh
        if not good:
            raise Refused(401, {"errorCode": 60001, "errorMessage": "invalid_grant:Invalid username & password combination.",
                                "error": "invalid_grant",
                                "error_description": "60001: invalid_grant:Invalid username & password combination."})
        number = next(self.numbers)
        token, refresh = f"token-{number}", f"refresh-{number}"
        self.tokens.add(token), self.refresh.add(refresh)
        return {"tokenType": "Bearer", "refreshToken": refresh, "accessToken": token, "expiresIn": "3600",
                "token_type": "Bearer", "refresh_token": refresh, "access_token": token, "expires_in": "3600"}

    def set(self, rq, zone, name, kind):
        here = self.store.at(zone, name, kind)
        if rq.method == "GET" and not here:
            raise no(404, 70002, "Data not found.")
        if rq.method != "POST" and not here:
            raise no(404, 56001, "Cannot find resource record data for the input zone, record type and owner combination.")
        if rq.method == "GET":
            return 200, self.sets(zone, here), {}
        if rq.method == "DELETE":
            self.store.replace(zone, name, kind, 0, [])
            return 204, "", {}
        if rq.method == "POST" and here:
            raise no(400, 2111, f"Resource Record of type {TYPES[kind]} with these attributes already exists in the system.")
        body = rq.json()
        values = body.get("rdata") or []
        if not values:
            raise no(400, 70005, "At least one field must be specified: rdata or profile")
        if not 0 <= body.get("ttl", 0) <= 2147483647:
            raise no(400, 1000, "Invalid TTL Format.")
        if self.store.clash(zone, name, kind) and not (kind == "CNAME" and here):
            raise no(400, 2114, "CNAME record cannot exist with other record types at the same name.")
        if kind == "CNAME" and not values[0].endswith("."):
            values = [f"{values[0]}.{zone}."]
        self.store.replace(zone, name, kind, body.get("ttl", 86400), values)
        return (201 if rq.method == "POST" else 200), {"message": "Successful"}, {}

    def listed(self, zone, kind):
        return self.sets(zone, self.store.at(zone, None, kind and kind.upper()))

    def sets(self, zone, records):
        keys = sorted({(one.name, one.kind) for one in records})
        sets = [{"ownerName": f"{name}.", "rrtype": f"{kind} ({TYPES[kind]})",
                 "ttl": self.store.at(zone, name, kind)[0].ttl,
                 "rdata": [one.value for one in self.store.at(zone, name, kind)]} for name, kind in keys]
        return {"zoneName": f"{zone}.", "rrSets": sets, "queryInfo": {"limit": 1000},
                "resultInfo": {"totalCount": len(sets), "offset": 0, "returnedCount": len(sets)}}
