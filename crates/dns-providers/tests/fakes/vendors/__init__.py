"""The fakes. Each tells at its top what was read for it ("read"), where a person would look besides ("see also", not opened for
it), and what it does without evidence ("assumed"). A recorded answer is a real one, of dns-lexicon, `tests/fixtures/cassettes`;
a number behind the name of a repository is that of a public thread there, with the vendor's answer in it."""
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
