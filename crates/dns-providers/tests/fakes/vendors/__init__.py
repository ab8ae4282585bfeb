"""The fakes. Each says from which documents it is made; `seen` is a recorded real answer (dns-lexicon,
tests/fixtures/cassettes)."""
from .bluecat import Bluecat
from .constellix import Constellix
from .digitalocean import DigitalOcean
from .dnsmadeeasy import DnsMadeEasy
from .edgedns import EdgeDns
from .godaddy import GoDaddy
from .infoblox import Infoblox
from .ns1 import Ns1
from .ovh import Ovh
from .ultradns import UltraDns

VENDORS = [Bluecat, Constellix, DigitalOcean, DnsMadeEasy, EdgeDns, GoDaddy, Infoblox, Ns1, Ovh, UltraDns]
