"""Real answers of vendors, replayed: what a client understands of them, and whether it sends what was accepted then.

A file of `tests/recorded` is one exchange. `always` is answered at any time. `states` are the answers to reads: the first ones until
the first of `writes` came, and so on. `sent` is what the write that was recorded held, as far as a client has no choice there.
Whatever else is asked is refused with 599, and told on the control port (GET /strange), as are writes that never came
(GET /missing)."""
import json, os
from urllib.parse import parse_qsl, unquote, urlsplit


def load(folder):
    files = sorted(name for name in os.listdir(folder) if name.endswith(".json"))
    return [Recorded(os.path.join(folder, name)) for name in files]


class Recorded:
    count = 0

    def __init__(self, path):
        self.name = os.path.basename(path).removesuffix(".json")
        with open(path) as file:
            self.exchange = json.load(file)
        self.hosts, self.state, self.strange = self.exchange["hosts"], 0, []

    def fault(self, rq):
        return None

    def answer(self, rq):
        reads = self.exchange["states"][self.state] + self.exchange["always"]
        for one in reads:
            if self.is_asked(one, rq):
                return self.told(one)
        writes = self.exchange["writes"]
        if self.state < len(writes) and self.is_asked(writes[self.state], rq):
            write = writes[self.state]
            sent = json.loads(rq.body or b"null")
            if within(write.get("sent"), sent):
                self.state += 1
                return self.told(write)
            self.strange.append(f"{write['rq']} with {json.dumps(sent)}, not {json.dumps(write['sent'])}")
            return 599, "nobody sent that", {}
        self.strange.append(f"{rq.method} {rq.target} {rq.body.decode()}")
        return 599, "nobody asked that", {}

    @staticmethod
    def is_asked(one, rq):
        method, target = one["rq"].split(" ", 1)
        parts = urlsplit(target)
        path = [unquote(part) for part in parts.path.split("/") if part]
        return (method, path) == (rq.method, rq.path) and dict(parse_qsl(parts.query)).items() <= rq.query.items()

    @staticmethod
    def told(one):
        return one["status"], one["answer"], one.get("headers", {})

    def missing(self):
        return [one["rq"] for one in self.exchange["writes"][self.state:]]


def within(wanted, sent):
    """Whether all that is wanted was sent; lists are compared whole."""
    if isinstance(wanted, dict):
        return isinstance(sent, dict) and all(key in sent and within(value, sent[key]) for key, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(sent, list) and len(wanted) == len(sent) and all(map(within, wanted, sent))
    return wanted is None or wanted == sent
