"""Clients that others wrote, each before the stand-in of its vendor: they see what somebody put there, add a text, see it, and
remove it again.

    python3 agree.py CONTROL-PORT VENDOR...

It is told on stdout which client agreed with which stand-in. The way to the vendors is in the environment (HTTPS_PROXY,
REQUESTS_CA_BUNDLE)."""
import importlib.metadata, json, os, sys, urllib.request

ZONE, OWNER = "agree-fakes.com", "_dnsauth.www.agree-fakes.com"
control = f"http://127.0.0.1:{sys.argv[1]}"
direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def told(path, **given):
    return json.load(direct.open(urllib.request.Request(control + path, json.dumps(given).encode())))


def held(vendor):
    return [line.split(" TXT ")[1] for line in json.load(direct.open(f"{control}/records?vendor={vendor}&owner={OWNER}"))
            if " TXT " in line]


def octodns(module, name, **given):
    """A provider of octoDNS: its plan is made of what it lists."""
    def run(vendor):
        from octodns.record import Record
        from octodns.zone import Zone

        def provider():
            return getattr(importlib.import_module(module), name)(vendor, **given)

        def listed():
            zone = Zone(f"{ZONE}.", [])
            provider().populate(zone, lenient=True)
            return zone

        def values(zone):
            return sorted(value for record in zone.records if record._type == "TXT" and record.fqdn == f"{OWNER}." for value in record.values)

        def apply(texts):
            desired, making = listed(), provider()
            for record in [one for one in desired.records if one.fqdn == f"{OWNER}." and one._type == "TXT"]:
                desired.remove_record(record)
            if not making.SUPPORTS_ROOT_NS:
                for record in [one for one in desired.records if one.name == "" and one._type == "NS"]:
                    desired.remove_record(record)
            data = {"type": "TXT", "ttl": 3600, "values": texts}
            desired.add_record(Record.new(desired, "_dnsauth.www", data))
            plan = making.plan(desired)
            assert plan is not None, f"{vendor}: nothing to do"
            making.apply(plan)

        assert values(listed()) == ["theirs"], values(listed())
        apply(["ours", "theirs"])
        assert values(listed()) == ["ours", "theirs"], values(listed())
        assert sorted(held(vendor)) == ['"ours"', '"theirs"'], held(vendor)
        apply(["theirs"])
        return module.replace("_", "-")
    return run


def lexicon(name, **given):
    def run(vendor):
        from lexicon.client import Client
        from lexicon.config import ConfigResolver

        def act(action, content=None):
            command = {"provider_name": name, "action": action, "domain": ZONE, "type": "TXT", "name": OWNER, "content": content,
                       "ttl": 3600, name: given}
            return Client(ConfigResolver().with_dict(command)).execute()

        listed = lambda: sorted(one["content"].strip('"') for one in act("list"))
        assert listed() == ["theirs"], listed()
        assert act("create", "ours")
        assert listed() == ["ours", "theirs"], listed()
        assert sorted(held(vendor)) == ['"ours"', '"theirs"'], held(vendor)
        assert act("delete", "ours")
        return "dns-lexicon"
    return run


def bluecat(vendor):
    """BlueCat's own library."""
    from bluecat_libraries.address_manager.apiv2 import Client

    with Client("https://bam.test", verify=os.environ["REQUESTS_CA_BUNDLE"]) as client:
        client.login("bam-user", "bam-password")
        zone = client.http_get("/zones", params={"filter": f"absoluteName:eq('{ZONE}')"})["data"][0]["id"]
        records = f"/zones/{zone}/resourceRecords"
        wanted = {"filter": f"absoluteName:eq('{OWNER}') and recordType:eq('TXT')"}
        listed = lambda: sorted(one["text"] for one in client.http_get(records, params=wanted)["data"])
        assert listed() == ["theirs"], listed()
        made = client.http_post(records, json={"type": "TXTRecord", "absoluteName": OWNER, "text": "ours", "ttl": 3600})
        assert listed() == ["ours", "theirs"], listed()
        client.http_delete(f"/resourceRecords/{made['id']}")
    return "bluecat-libraries"


CLIENTS = {
    "bluecat": bluecat,
    "constellix": octodns("octodns_constellix", "ConstellixProvider", api_key="cns-key", secret_key="cns-secret"),
    "digitalocean": octodns("octodns_digitalocean", "DigitalOceanProvider", token="do-token"),
    "dnsmadeeasy": octodns("octodns_dnsmadeeasy", "DnsMadeEasyProvider", api_key="dme-key", secret_key="dme-secret"),
    "edgedns": octodns("octodns_edgedns", "AkamaiProvider", client_secret="edge-secret", host="akab-test.luna.akamaiapis.net",
                       access_token="at", client_token="ct"),
    "godaddy": lexicon("godaddy", auth_key="gd-key", auth_secret="gd-secret"),
    "infoblox": lexicon("infoblox", auth_user="nios-user", auth_psw="nios-password", ib_host="gm.test", ib_view="default"),
    "ns1": octodns("octodns_ns1", "Ns1Provider", api_key="ns1-key"),
    "ovh": octodns("octodns_ovh", "OvhProvider", endpoint="ovh-eu", application_key="ovh-app", application_secret="ovh-secret",
                   consumer_key="ovh-consumer"),
    "ultradns": octodns("octodns_ultra", "UltraProvider", account="account", username="ultra-user", password="ultra-password"),
}

for vendor in sys.argv[2:]:
    # Behind so many others that a client which lists them finds it on a later page.
    told("/zones", vendor=vendor, count=60 if vendor == "digitalocean" else 1100)
    told("/zone", vendor=vendor, zone=ZONE)
    told("/record", vendor=vendor, owner=OWNER, type="TXT", ttl=3600, values=['"theirs"'])
    client = CLIENTS[vendor](vendor)
    assert held(vendor) == ['"theirs"'], f"{vendor}: {held(vendor)}"
    print(vendor, client, importlib.metadata.version(client), flush=True)
