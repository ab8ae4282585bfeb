"""What a fake holds, and the name server that shows it."""
import itertools, re, subprocess, threading

NS = ["ns1.fake.example.", "ns2.fake.example."]
TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"')


def strings(zone_text):
    """The strings of a TXT record as a zone file has it."""
    unescape = lambda text: re.sub(r"\\(\d{3}|.)", lambda m: chr(int(m[1])) if m[1].isdigit() and len(m[1]) == 3 else m[1], text)
    return [unescape(text) for text in TOKEN.findall(zone_text)]


def zone_text(text):
    """A text as a zone file has it, in strings of 255 octets."""
    data = text.encode()
    parts = [data[at:at + 255] for at in range(0, len(data), 255)] or [b""]
    escape = lambda part: "".join(
        "\\" + chr(b) if b in b'"\\' else chr(b) if 32 <= b < 127 else f"\\{b:03d}" for b in part)
    return " ".join(f'"{escape(part)}"' for part in parts)


class Plain:
    """Texts are kept as they are; how somebody else divided one into strings is remembered for whoever compares."""

    def __init__(self):
        self.spelled = {}

    def kept(self, kind, value):
        if kind != "TXT":
            return value
        text = "".join(strings(value))
        self.spelled[text] = value
        return text

    def shown(self, kind, value):
        return self.spelled.get(value) or zone_text(value) if kind == "TXT" else value


class ZoneFile:
    """Texts are kept as a zone file has them."""

    def kept(self, kind, value):
        return value

    def shown(self, kind, value):
        return value


class Record:
    ids = itertools.count(1001)

    def __init__(self, zone, name, kind, ttl, value):
        self.id = next(Record.ids)
        self.zone, self.name, self.kind, self.ttl, self.value = zone, name, kind, ttl, value


class Store:
    """Zones and records of one vendor; names have no final dot, values are spelled as the vendor's API answers them."""

    def __init__(self, form, servers):
        self.form, self.servers = form, servers
        self.zones, self.records, self.lock = {}, [], threading.RLock()

    def make(self, zone, servers=tuple(NS)):
        self.zones[zone] = next(Record.ids)
        for server in servers:
            self.records.append(Record(zone, zone, "NS", 3600, server))

    def zone_of(self, name):
        return max((zone for zone in self.zones if name == zone or name.endswith("." + zone)), key=len)

    def at(self, zone, name=None, kind=None):
        return [one for one in self.records
                if one.zone == zone and (name is None or one.name == name) and (kind is None or one.kind == kind)]

    def by_id(self, zone, ident):
        return next((one for one in self.at(zone) if str(one.id) == str(ident)), None)

    def clash(self, zone, name, kind):
        """An alias is alone at its name."""
        others = [one for one in self.at(zone, name) if one.kind != kind]
        return any(one.kind == "CNAME" or kind == "CNAME" for one in others) or \
            (kind == "CNAME" and bool(self.at(zone, name, "CNAME")))

    def add(self, zone, name, kind, ttl, value):
        record = Record(zone, name, kind, ttl, value)
        self.records.append(record)
        self.servers.show(self, zone, name, kind)
        return record

    def remove(self, record):
        self.records.remove(record)
        self.servers.show(self, record.zone, record.name, record.kind)

    def replace(self, zone, name, kind, ttl, values):
        self.records = [one for one in self.records if one not in self.at(zone, name, kind)]
        self.records += [Record(zone, name, kind, ttl, value) for value in values]
        self.servers.show(self, zone, name, kind)

    def put(self, name, kind, ttl, value):
        """As somebody else does, by the vendor's console; the value is spelled as in a zone file."""
        self.add(self.zone_of(name), name, kind, ttl, self.form.kept(kind, value))

    def everything(self, name):
        return sorted(f"{one.ttl} {one.kind} {self.form.shown(one.kind, one.value)}"
                      for one in self.at(self.zone_of(name), name))


class Stores:
    """The name server that shows what the fakes hold, if there is one."""

    def __init__(self, server, key):
        self.server, self.key = server, key

    def new(self, form):
        return Store(form, self)

    @staticmethod
    def unseen(form):
        return Store(form, Stores(None, None))

    def show(self, store, zone, name, kind):
        if self.server is None or kind == "NS":
            return
        host, port = self.server.rsplit(":", 1)
        lines = [f"server {host} {port}", f"zone {zone}.", f"update delete {name}. {kind}"]
        for one in store.at(zone, name, kind):
            data = store.form.shown(kind, one.value)
            if kind == "CNAME":
                data = data if data.endswith(".") else data + "."
            lines.append(f"update add {name}. {one.ttl} {kind} {data}")
        text = "\n".join([*lines, "send", ""])
        done = subprocess.run(["nsupdate", "-y", f"hmac-sha256:{self.key}"], input=text, text=True, capture_output=True)
        if done.returncode != 0:
            raise RuntimeError(f"{text}: {done.stderr}")
