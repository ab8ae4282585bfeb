"""What all fakes share."""
import threading

from proxy import Refused
from store import Plain


class Fake:
    name, hosts, form = "", (), Plain

    def __init__(self, stores):
        self.stores, self.store, self.views = stores, stores.new(self.form()), {}
        self.faults, self.until_fault, self.count = [], 0, 0

    def fault(self, rq):
        """What happens to a request instead of an answer."""
        self.count += 1
        if self.faults and self.until_fault > 0:
            self.until_fault -= 1
            return None
        return self.faults.pop(0)[1] if self.faults else None

    def answer(self, rq):
        with self.store.lock:
            try:
                self.authorize(rq)
                return self.serve(rq)
            except Refused as refused:
                return refused.answer

    def view(self, name):
        """Zones that are another view's; none is served by the name server. `None` is the view that the client is told."""
        if name is None:
            return self.store
        return self.views.setdefault(name, self.stores.unseen(self.form()))

    def expire(self):
        """Ends sessions, where there are any."""

    def authorize(self, rq):
        raise NotImplementedError

    def serve(self, rq):
        raise NotImplementedError


def page(items, size, number):
    """Such a page of so many, and whether there is another; the first is 1."""
    return items[(number - 1) * size: number * size], len(items) > number * size


def relative(name, zone, apex):
    return apex if name == zone else name[: -len(zone) - 1]


def absolute(name, zone, apex):
    return zone if name in (apex, "") else f"{name}.{zone}"
