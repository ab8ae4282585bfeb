"""The proxy that ends TLS itself, and the requests within."""
import json, os, socket, socketserver, ssl, subprocess, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit


def certificates(folder, hosts):
    """A CA, and a certificate of it for all hosts."""
    at = lambda name: os.path.join(folder, name)
    run = lambda *words: subprocess.run(["openssl", *words], check=True, capture_output=True)
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    run("req", "-x509", *key, "-keyout", at("ca.key"), "-out", at("ca.pem"), "-days", "2", "-subj", "/CN=fakes",
        "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
    names = ",".join(f"DNS:{host}" for host in hosts)
    run("req", "-x509", *key, "-keyout", at("leaf.key"), "-out", at("leaf.pem"), "-days", "2", "-subj", "/CN=fake",
        "-CA", at("ca.pem"), "-CAkey", at("ca.key"), "-addext", f"subjectAltName={names}",
        "-addext", "basicConstraints=critical,CA:FALSE", "-addext", "extendedKeyUsage=serverAuth")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(at("leaf.pem"), at("leaf.key"))
    return context


class Request:
    """What a fake sees of a request."""

    def __init__(self, method, target, headers, body):
        parts = urlsplit(target)
        self.method, self.headers, self.body = method, headers, body
        self.target = target
        self.path = [unquote(part) for part in parts.path.split("/") if part]
        self.query = dict(parse_qsl(parts.query))
        self.queries = parse_qsl(parts.query)

    def json(self):
        return json.loads(self.body or b"null")

    def form(self):
        return dict(parse_qsl(self.body.decode()))


class Refused(Exception):
    """An answer that says no."""

    def __init__(self, status, body="", headers=None):
        self.answer = (status, body, headers or {})


class Requests(BaseHTTPRequestHandler):
    """Requests to one fake, on a connection that is open already."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer is one write, or it waits for an acknowledgement
    fake = None

    def log_message(self, *_):
        pass

    def do(self):
        length = int(self.headers.get("content-length") or 0)
        rq = Request(self.command, self.path, self.headers, self.rfile.read(length))
        fault = self.fake.fault(rq)
        if fault == "cut":
            self.close_connection = True
            return
        if fault == "lost":  # done, and nobody is told
            self.fake.answer(rq)
            self.close_connection = True
            return
        if fault == "garbage":
            return self.tell(200, "<html>\x00 this is no answer", {"content-type": "text/html"})
        if fault is not None:
            return self.tell(*fault)
        self.tell(*self.fake.answer(rq))

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do

    def tell(self, status, body, headers):
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"content-type": "application/json", **headers}.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("content-length", str(len(data)))
        self.end_headers()
        if status != 204:
            self.wfile.write(data)
        self.wfile.flush()


class Tunnel(socketserver.StreamRequestHandler):
    """CONNECT, then TLS, then requests."""

    disable_nagle_algorithm = True

    def handle(self):
        line = self.rfile.readline().decode("latin-1").split()
        while self.rfile.readline().strip():
            pass
        host = line[1].rsplit(":", 1)[0] if len(line) > 1 else ""
        fake = self.server.hosts.get(host)
        if not line or line[0] != "CONNECT" or fake is None:
            self.wfile.write(b"HTTP/1.1 502 No such host\r\ncontent-length: 0\r\n\r\n")
            return
        self.wfile.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        try:
            with self.server.context.wrap_socket(self.connection, server_side=True) as stream:
                handler = type("Bound", (Requests,), {"fake": fake})
                handler(stream, self.client_address, self.server)
        except (OSError, ssl.SSLError):
            pass


class Proxy(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    request_queue_size = 128

    def __init__(self, hosts, context):
        super().__init__(("127.0.0.1", 0), Tunnel)
        self.hosts, self.context = hosts, context
