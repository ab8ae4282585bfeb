"""Google's client for Cloud DNS against the fake: client.py URL KEY_FILE ZONE NAME STEP."""
import sys

from google.api_core.exceptions import GoogleAPICallError
from google.cloud import dns
from google.oauth2 import service_account

url, key_file, zone_name, name, step = sys.argv[1:]

scopes = ["https://www.googleapis.com/auth/ndev.clouddns.readwrite"]
credentials = service_account.Credentials.from_service_account_file(key_file, scopes=scopes)
client = dns.Client(project="my-project", credentials=credentials, client_options={"api_endpoint": url})
zone = client.zone(zone_name, "dcv.test.")


def held():
    found = [one for one in zone.list_resource_record_sets() if one.name == name and one.record_type == "TXT"]
    return found[0] if found else None


def texts():
    found = held()
    return sorted(found.rrdatas) if found else []


def change(old, new):
    changes = zone.changes()
    for one in old:
        changes.delete_record_set(one)
    for one in new:
        changes.add_record_set(one)
    changes.create()
    while changes.status != "done":
        changes.reload()
    return changes.status


def record(kind, values, ttl=60):
    return zone.resource_record_set(name, kind, ttl, values)


try:
    if step == "add":
        assert [one.name for one in client.list_zones()] == [zone_name]
        status = change([held()], [record("TXT", [*texts(), '"theirs"'])])
    elif step == "add-once-more":
        status = change([], [record("TXT", ['"late"'])])
    elif step == "delete-what-was":
        status = change([record("TXT", ['"ours"'])], [])
    elif step == "delete-what-never-was":
        status = change([record("MX", ["10 mail.example."])], [])
    elif step == "alias-beside":
        status = change([], [record("CNAME", ["x.example."])])
    elif step == "remove":
        assert texts() == ['"theirs"'], texts()
        status = change([held()], [])
    print(texts(), status)
except GoogleAPICallError as error:
    print(f"refused: {error.code}")
