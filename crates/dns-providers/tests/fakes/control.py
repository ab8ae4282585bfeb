"""What tests do behind the vendors' backs, over plain HTTP on loopback.

    POST /zone    {vendor, zone, view}                    a zone, with name servers at its apex; in a view of that name, if any
    POST /zones   {vendor, count}                         so many other zones, empty ones
    POST /record  {vendor, owner, type, ttl, values, view}  somebody else's set, values as in a zone file
    GET  /records?vendor=&owner=&view=                    every record at a name, `TTL TYPE DATA`, sorted
    POST /fault   {vendor, fault, times, after}           the next requests fail: [status, body, headers], "cut", "lost" or "garbage"
    POST /expire  {vendor}                                sessions end
    GET  /count?vendor=                                   requests so far
    GET  /written?vendor=                                 of vendors that take everything: what they were sent, once
    GET  /strange?vendor=, /missing?vendor=               of replayed answers: what was asked beside them, which writes never came
"""
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit


class Commands(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def tell(self, value):
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query))
        fake = self.server.fakes[query["vendor"]]
        if parts.path in ("/strange", "/missing"):
            return self.tell(fake.strange if parts.path == "/strange" else fake.missing())
        if parts.path == "/written":
            fake.written, kept = [], fake.written
            return self.tell(kept)
        self.tell(fake.view(query.get("view")).everything(query["owner"]) if parts.path == "/records" else fake.count)

    def do_POST(self):
        given = json.loads(self.rfile.read(int(self.headers["content-length"])))
        fake = self.server.fakes[given["vendor"]]
        if self.path == "/zone":
            fake.view(given.get("view")).make(given["zone"])
        elif self.path == "/zones":
            for number in range(given["count"]):
                fake.store.make(f"other-{number:05}.test", ())
        elif self.path == "/record":
            for value in given["values"]:
                fake.view(given.get("view")).put(given["owner"], given["type"], given["ttl"], value)
        elif self.path == "/fault":
            fake.faults = [(given.get("after", 0), given["fault"])] * given.get("times", 1)
            fake.until_fault = given.get("after", 0)
        elif self.path == "/expire":
            fake.expire()
        self.tell(None)


class Control(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, fakes):
        super().__init__(("127.0.0.1", 0), Commands)
        self.fakes = fakes
