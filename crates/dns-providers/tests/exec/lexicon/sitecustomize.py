"""lexicon finds a zone by the system's resolver and updates at port 53 only: in tests both are the test's own server."""
import os

import dns.query
import dns.resolver

PORT = int(os.environ["DNS_PORT"])
resolver = dns.resolver.Resolver(configure=False)
resolver.nameservers, resolver.port = ["127.0.0.1"], PORT
dns.resolver.default_resolver = resolver
asked = dns.query.tcp
dns.query.tcp = lambda query, where, *rest, **options: asked(query, where, *rest, **{**options, "port": PORT})
