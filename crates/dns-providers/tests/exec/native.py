#!/usr/bin/env python3
"""A command in dcv-agent's own protocol before a BIND server, by dig and nsupdate: an example, and what the tests run.

Arguments: the operation. Variables: SERVER, PORT, KEY ("hmac-sha256:name:secret"), PATH."""
import fcntl
import json
import os
import subprocess
import sys
import time

SERVER, PORT, KEY = os.environ["SERVER"], os.environ["PORT"], os.environ["KEY"]


class Refused(Exception):
    def __init__(self, kind, message, hint=None):
        self.error = {"class": kind, "message": message, "hint": hint}


def dig(*what):
    command = ["dig", f"@{SERVER}", "-p", PORT, "+noall", "+answer", "+onesoa", *what]
    return subprocess.run(command, capture_output=True, text=True, timeout=20).stdout


def records(zone):
    """Every record of the zone: name, TTL, type, data. A transfer knows no wildcards and no cache."""
    found = []
    for line in dig(zone, "AXFR").splitlines():
        name, ttl, _, kind, data = line.split(None, 4)
        found.append((name.rstrip(".").lower(), int(ttl), kind, data))
    if not found:
        raise Refused("later", f"{zone} cannot be transferred", "is the server up, and does it allow AXFR?")
    return found


def text(data):
    """The joined character-strings."""
    out, quoted, rest = "", False, iter(data)
    for c in rest:
        if c == '"':
            quoted = not quoted
        elif c == "\\":
            out += next(rest, "")
        elif quoted or c != " ":
            out += c
    return out


def at(held, name):
    return [(ttl, kind, data) for owner, ttl, kind, data in held if owner == name]


def read(request):
    here = at(records(request["zone"]["name"]), request["name"])
    alias = [(ttl, data.rstrip(".")) for ttl, kind, data in here if kind == "CNAME"]
    texts = [(ttl, text(data)) for ttl, kind, data in here if kind == "TXT"]
    ttls = [ttl for ttl, _ in texts + alias]
    return {"txt": [t for _, t in texts], "cname": alias[0][1] if alias else None, "ttl": ttls[0] if ttls else None}


def written(change):
    return f'"{change["value"]}"' if change["type"] == "TXT" else change["value"] + "."


def is_same(one, name, kind, value):
    """As DNS compares: texts to the letter, names without regard to capitals."""
    fold = str.lower if kind == "CNAME" else str
    return (one[0], one[2], fold(one[3])) == (name, kind, fold(value))


def apply(request):
    zone = request["zone"]["name"]
    held = [(name, ttl, kind, text(data) if kind == "TXT" else data.rstrip("."))
            for name, ttl, kind, data in records(zone)]
    lines, conditions = [], []
    for change in request["changes"]:
        name, kind, value = change["name"], change["type"], change["value"]
        here = at(held, name)
        if change["action"] == "remove":
            lines.append(f"update delete {name}. {kind} {written(change)}")
            held = [one for one in held if not is_same(one, name, kind, value)]
            continue
        if any((k, v) == (kind, value) for _, k, v in here):
            continue
        # An alias in other capitals, which DNS holds equal and the CA does not, makes room; BIND keeps it in its journal only
        # where the time to live differs, too.
        for one in [one for one in held if kind == "CNAME" and is_same(one, name, kind, value)]:
            lines.append(f"update delete {name}. CNAME {one[3]}.")
            held.remove(one)
            change["ttl"] += change["ttl"] == one[1]
        here = at(held, name)
        others = [k for _, k, _ in here if k == "CNAME" or kind == "CNAME"]
        if others:
            raise Refused("blocked", f"a {others[0]} record stands at {name}", "remove it")
        ttl = next((t for t, k, _ in here if k == kind), change["ttl"])
        if not any(line.startswith(f"update delete {name}. CNAME") for line in lines):
            conditions.append(f"prereq nxrrset {name}. CNAME")
        lines.append(f"update add {name}. {ttl} {kind} {written(change)}")
        held.append((name, ttl, kind, value))
    if not lines:
        return {}
    script = "\n".join([f"server {SERVER} {PORT}", f"zone {zone}.", *conditions, *lines, "send", ""])
    done = subprocess.run(["nsupdate", "-y", KEY], input=script, capture_output=True, text=True, timeout=20)
    if done.returncode != 0:
        raise Refused("later", f"nsupdate: {done.stderr.strip()}")
    return {"receipt": str(time.time_ns())}


def probe(request):
    found = len(records(request["zone"]["name"]))
    return {"detail": f"{found} records are served"}


def main():
    request = json.load(sys.stdin)
    operations = {"probe": probe, "read": read, "apply": apply, "settled": lambda _: {"settled": True}}
    try:
        with open(f"{os.environ['LOCK']}", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            answer = operations[sys.argv[-1]](request)
    except Refused as refused:
        answer = {"error": refused.error}
    json.dump({"version": 1, **answer}, sys.stdout)


main()
