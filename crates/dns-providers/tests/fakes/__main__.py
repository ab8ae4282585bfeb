"""Stand-ins for vendors of DNS, for tests: stateful, and they refuse what the vendor refuses.

    python3 fakes --dir FOLDER [--dns HOST:PORT --tsig NAME:SECRET] [--recorded FOLDER | --written]

A proxy takes CONNECT for the vendors' hosts and answers them itself, under a CA of its own (FOLDER/ca.pem): a client needs
HTTPS_PROXY and SSL_CERT_FILE (or REQUESTS_CA_BUNDLE) and nothing else. What a fake holds is sent to a name server by
dynamic update, so that whoever asks DNS sees what a resolver would see. The control port (see control.py) makes zones, plays
somebody else who edits them, and has the next requests fail. Both ports are on loopback; a line of JSON on stdout tells them.
"""
import argparse, json, sys, threading

import recorded, written
from control import Control
from proxy import Proxy, certificates
from store import Stores
from vendors import VENDORS

options = argparse.ArgumentParser()
options.add_argument("--dir", required=True)
options.add_argument("--dns")
options.add_argument("--tsig")
options.add_argument("--recorded", help="real answers that are replayed, in the place of stand-ins (see recorded.py)")
options.add_argument("--written", action="store_true", help="vendors that take everything and keep what they are sent (see written.py)")
given = options.parse_args()

stores = Stores(given.dns, given.tsig)
if given.recorded:
    standing = recorded.load(given.recorded)
elif given.written:
    standing = [written.Written(name) for name in written.LOOKS]
else:
    standing = [vendor(stores) for vendor in VENDORS]
fakes = {fake.name: fake for fake in standing}
hosts = {host: fake for fake in fakes.values() for host in fake.hosts}
context = certificates(given.dir, sorted(hosts))
proxy, control = Proxy(hosts, context), Control(fakes)
for server in (proxy, control):
    threading.Thread(target=server.serve_forever, daemon=True).start()
print(json.dumps({"proxy": proxy.server_address[1], "control": control.server_address[1]}), flush=True)
sys.stdin.read()  # until whoever started it goes
