"""OVHcloud. What is changed is served once the zone was refreshed.

read: recorded answers (dns-lexicon, `ovh`: ids, records, texts in quotes or not as they were sent, `refresh` with `null`);
the vendor's Python client (github.com/ovh/python-ovh: signature, 403 with INVALID_KEY, INVALID_CREDENTIAL and others); its
Terraform provider (ovh/terraform-provider-ovh 397: less than 60 seconds are taken, with 200, and become 60; 672: 0 is the
zone's own); answers in reports of others: INVALID_CREDENTIAL (ovh/php-ovh 56), INVALID_SIGNATURE (ovh/php-ovh 80), an unknown
zone (go-acme/lego 618, aureq/cert-manager-webhook-ovh 39; octodns-ovh compares its words).
see also: https://eu.api.ovh.com/console/?section=%2Fdomain&branch=v1
assumed: the words of INVALID_KEY; the refusal of a late request; a record that is not there; the refusals of long texts and
beside an alias (the vendor's guide only advises against that). A target without its final dot is made absolute at once; the
vendor answers it as it was sent. Nothing was found about limits of requests."""
import hashlib, time
from http import HTTPStatus

from proxy import Refused
from store import ZoneFile, strings, zone_text
from .fake import Fake, absolute, relative

no = lambda status, code, text: Refused(
    status, {"errorCode": code, "httpCode": f"{status} {HTTPStatus(status).phrase}", "message": text})
missing = lambda text: Refused(404, {"class": "Client::NotFound", "message": text})
bad = lambda text: Refused(400, {"class": "Client::BadRequest", "message": text})


class QuotedOrNot(ZoneFile):
    """A text is answered as it was sent: in quotes or not."""

    def shown(self, kind, value):
        return zone_text(value) if kind == "TXT" and not value.startswith('"') else value


class Ovh(Fake):
    name, hosts, form = "ovh", ("eu.api.ovh.com",), QuotedOrNot
    app, secret, consumer = "ovh-app", "ovh-secret", "ovh-consumer"

    def authorize(self, rq):
        if rq.path == ["1.0", "auth", "time"]:
            return
        sent = rq.headers.get("X-Ovh-Timestamp") or "0"
        signed = "+".join([self.secret, self.consumer, rq.method, f"https://{self.hosts[0]}{rq.target}", rq.body.decode(), sent])
        if rq.headers.get("X-Ovh-Application") != self.app:
            raise no(403, "INVALID_KEY", "This application key is invalid")
        if rq.headers.get("X-Ovh-Consumer") != self.consumer:
            raise no(403, "INVALID_CREDENTIAL", "This credential is not valid")
        if rq.headers.get("X-Ovh-Signature") != "$1$" + hashlib.sha1(signed.encode()).hexdigest():
            raise no(400, "INVALID_SIGNATURE", "Invalid signature")
        if abs(int(sent) - time.time()) > 30:
            raise no(400, "QUERY_TIME_OUT", "Query out of time")

    def serve(self, rq):
        path = rq.path[1:]
        if path == ["auth", "time"]:
            return 200, str(int(time.time())), {}
        path = path[2:]  # domain/zone
        if not path:
            return 200, list(self.store.zones), {}
        zone, *rest = path
        if zone not in self.store.zones:
            raise missing("This service does not exist")
        if not rest:
            return 200, {"name": zone, "hasDnsAnycast": False, "nameServers": []}, {}
        if rest in (["refresh"], ["status"]):
            return 200, None if rest == ["refresh"] else {"isDeployed": True, "errors": None, "warnings": None}, {}
        if len(rest) == 1:
            if rq.method == "POST":
                return 200, self.shown(self.create(zone, rq.json())), {}
            label = rq.query.get("subDomain")
            if "subDomain=" in rq.target and label is None:
                label = ""
            records = self.store.at(zone, absolute(label, zone, "") if label is not None else None, rq.query.get("fieldType"))
            return 200, [one.id for one in records], {}
        record = self.store.by_id(zone, rest[1])
        if record is None:
            raise missing("The requested object (id) does not exist")
        if rq.method == "DELETE":
            self.store.remove(record)
            return 200, None, {}
        return 200, self.shown(record), {}

    def create(self, zone, body):
        kind, target, ttl = body.get("fieldType"), body.get("target", ""), body.get("ttl") or 0
        name = absolute(body.get("subDomain") or "", zone, "")
        if ttl:
            ttl = max(ttl, 60)
        if kind == "TXT" and any(len(part.encode()) > 255 for part in strings(target)):
            raise bad("Invalid TXT record: strings of at most 255 characters")
        if kind == "CNAME" and not target.endswith("."):
            target = f"{target}.{zone}."
        if self.store.clash(zone, name, kind):
            raise bad("Another record of this subdomain conflicts with a CNAME")
        return self.store.add(zone, name, kind, ttl, target)

    def shown(self, one):
        return {"id": one.id, "zone": one.zone, "fieldType": one.kind, "subDomain": relative(one.name, one.zone, ""),
                "target": one.value, "ttl": one.ttl}
