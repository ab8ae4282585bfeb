"""BlueCat Address Manager, REST v2. Records are served once they were deployed.

read: the Address Manager RESTful v2 API Guide (https://docs.bluecatnetworks.com/r/Address-Manager-RESTful-v2-API-Guide/,
pages Basic-authentication/9.6.0: a session is made with 201, its credentials are user and token in Base64;
HTTP-response-status-codes/9.6.0: 401, 404, 409, 429 and others;
Pagination/9.6.0: 1000 resources of a collection, then `_links.next`); lego (`providers/dns/bluecatv2/internal`: filters, records,
quick deployments, a refusal with status, reason, code, message); the vendor's bluecat-libraries (the same fields, sessions;
InvalidAuthorizationCredentials where none are sent).
see also: https://docs.bluecatnetworks.com/r/Address-Manager-RESTful-v2-API-Guide/Introduction/9.6.0
assumed: every code but these two, and its words; that refused names and passwords have the second; that a doubled value and a
name with an alias are 409; 204 for what is deleted; 3600 seconds where none are given."""
import base64, itertools, re
from http import HTTPStatus

from proxy import Refused
from .fake import Fake, absolute

no = lambda status, code, text: Refused(
    status, {"status": status, "reason": HTTPStatus(status).phrase, "code": code, "message": text})
TYPES = {"TXT": "TXTRecord", "CNAME": "AliasRecord", "MX": "MXRecord", "A": "HostRecord", "NS": "GenericRecord"}


class Bluecat(Fake):
    name, hosts = "bluecat", ("bam.test",)
    user, password = "bam-user", "bam-password"
    numbers = itertools.count(1)

    def __init__(self, stores):
        super().__init__(stores)
        self.sessions = set()

    def expire(self):
        self.sessions.clear()

    def authorize(self, rq):
        if rq.path == ["api", "v2", "sessions"] and rq.method == "POST":
            return
        if rq.headers.get("Authorization", "").removeprefix("Basic ") not in self.sessions:
            raise no(401, "InvalidAuthorizationToken", "The provided authorization token is invalid")

    def serve(self, rq):
        path = rq.path[2:]
        if path == ["sessions", "current"]:
            return 200, {"id": 1, "type": "UserSession", "state": "LOGGED_OUT" if rq.method == "PATCH" else "LOGGED_IN"}, {}
        if path == ["sessions"]:
            body = rq.json()
            if (body.get("username"), body.get("password")) != (self.user, self.password):
                raise no(401, "InvalidAuthorizationCredentials",
                         "The request authorization credentials are either missing or invalid")
            token = f"session-{next(self.numbers)}"
            credentials = base64.b64encode(f"{self.user}:{token}".encode()).decode()
            self.sessions.add(credentials)
            return 201, {"id": 1, "type": "UserSession", "apiToken": token, "basicAuthenticationCredentials": credentials,
                         "state": "LOGGED_IN", "user": {"id": 2, "name": self.user}}, {}
        wanted = dict(re.findall(r"([\w.]+):eq\('([^']*)'\)", rq.query.get("filter", "")))
        if path == ["zones"]:
            zones = [{"id": ident, "type": "Zone", "absoluteName": zone} for view, store in self.all().items()
                     for zone, ident in store.zones.items() if zone == wanted.get("absoluteName", zone)
                     and wanted.get("configuration.name", "main") == "main" and wanted.get("view.name", view) == view]
            return 200, self.page(zones, rq), {}
        if path[0] == "zones":
            store, zone = next(((store, zone) for store in self.all().values() for zone, ident in store.zones.items()
                                if str(ident) == path[1]), (None, None))
            if zone is None:
                raise no(404, "ResourceNotFound", "Resource not found")
            if path[2] == "deployments":
                return 201, {"id": next(self.numbers), "type": "QuickDeployment", "state": "QUEUED"}, {}
            if rq.method == "POST":
                return 201, self.shown(self.create(store, zone, rq.json())), {}
            records = store.at(zone, wanted.get("absoluteName"), wanted.get("recordType"))
            return 200, self.page([self.shown(one) for one in records], rq), {}
        store, record = next(((store, one) for store in self.all().values() for one in store.records if str(one.id) == path[1]),
                             (None, None))
        if record is None:
            raise no(404, "ResourceNotFound", "Resource not found")
        store.remove(record)
        return 204, "", {}

    def all(self):
        """The views of the configuration `main`: whatever others there are, and the one that the client is told."""
        return {**self.views, "external": self.store}

    @staticmethod
    def page(data, rq):
        limit, offset = int(rq.query.get("limit", 1000)), int(rq.query.get("offset", 0))
        here = data[offset: offset + limit]
        links = {"next": {"href": f"/api/v2/?offset={offset + limit}&limit={limit}"}} if len(data) > offset + limit else {}
        return {"count": len(here), "data": here, **({"_links": links} if links else {})}

    def create(self, store, zone, body):
        kind = body.get("recordType") or {value: key for key, value in TYPES.items()}.get(body.get("type"))
        name = absolute(body.get("name") or "", zone, "") if "absoluteName" not in body else body["absoluteName"]
        value = body.get("text") if kind == "TXT" else (body.get("linkedRecord") or {}).get("absoluteName")
        if not value or TYPES.get(kind) != body.get("type"):
            raise no(400, "InvalidRequestBody", "The request body is not valid: type and value are required")
        if any(one.value == value for one in store.at(zone, name, kind)):
            raise no(409, "DuplicateResource", "Duplicate of another item")
        if store.clash(zone, name, kind):
            raise no(409, "ConflictingResource", "A CNAME (alias) record conflicts with another record of this name")
        return store.add(zone, name, kind, body.get("ttl") or 3600, value)

    def shown(self, one):
        data = {"text": one.value} if one.kind == "TXT" else {"linkedRecord": {"absoluteName": one.value.rstrip(".")}}
        return {"id": one.id, "type": TYPES.get(one.kind, "GenericRecord"), "absoluteName": one.name, "recordType": one.kind,
                "name": one.name.split(".")[0], "ttl": one.ttl, **data}
