"""Microsoft's client for Azure DNS against the fake: client.py URL SUBSCRIPTION GROUP ZONE NAME STEP."""
import sys
import urllib.parse
import urllib.request
import json
import time

from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError
from azure.mgmt.dns import DnsManagementClient

url, subscription, group, zone, name, step = sys.argv[1:]


class Machine:
    """A managed identity, as the fake knows one."""

    def get_token(self, *scopes, **kwargs):
        query = urllib.parse.urlencode({"api-version": "2018-02-01", "resource": "https://management.azure.com/"})
        request = urllib.request.Request(f"{url}/metadata/identity/oauth2/token?{query}", headers={"Metadata": "true"})
        with urllib.request.urlopen(request) as answer:
            return AccessToken(json.load(answer)["access_token"], int(time.time()) + 3600)


client = DnsManagementClient(Machine(), subscription, base_url=url, retry_total=0)
plain = {"enforce_https": False}
sets = client.record_sets


def texts():
    found = [one for one in sets.list_by_type(group, zone, "TXT", **plain) if one.name == name]
    return sorted("".join(record.value) for one in found for record in one.txt_records)


def put(values, **conditions):
    body = {"ttl": 60, "txt_records": [{"value": [value]} for value in values]}
    return sets.create_or_update(group, zone, name, "TXT", body, **conditions, **plain)


try:
    if step == "add":
        assert [one.name for one in client.zones.list(**plain)] == [zone]
        assert len(client.zones.get(group, zone, **plain).name_servers) == 2
        held = sets.get(group, zone, name, "TXT", **plain)
        put([*texts(), "theirs"], if_match=held.etag)
    elif step == "add-with-an-old-etag":
        put([*texts(), "late"], if_match="0")
    elif step == "create-once-more":
        put(["first"], if_none_match="*")
    elif step == "alias-beside":
        sets.create_or_update(group, zone, name, "CNAME", {"ttl": 60, "cname_record": {"cname": "x.example"}}, **plain)
    elif step == "remove":
        held = sets.get(group, zone, name, "TXT", **plain)
        assert texts() == ["theirs"], texts()
        sets.delete(group, zone, name, "TXT", if_match=held.etag, **plain)
    print(texts())
except HttpResponseError as error:
    print(f"refused: {error.status_code}")
