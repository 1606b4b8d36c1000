"""The night's runs: new raw data, fresh vectors or a training, and the decision about a canary."""

import time

from benchmarks.loop.canary import LONGEST, difference
from benchmarks.loop.page import Night
from benchmarks.loop.product import LoopProduct
from benchmarks.loop.traffic import Traffic
from feature_repo.sources.world.draw import DAY

CANARY_PERCENT = 50


class Nights:
    """What happens between two days of one product."""

    def __init__(self, product: LoopProduct, traffic: Traffic, train_every: int) -> None:
        self.product, self.traffic = product, traffic
        self._train_every, self._first = train_every, 0
        self._canary: tuple[str, int] | None = None
        """The canary's version, and the second from which it serves."""
        self.found: list[Night] = []

    def run(self, now: int) -> Night:
        """The night at second ``now``: the outcomes of the day before have settled."""
        started, night = time.monotonic(), Night(self.product.date(now // DAY - 1))
        self.found.append(night)
        self.traffic.export(now)
        if not self.product.versions():
            self._first = now
            self.product.run("training")
            self.product.serving("up", "--limits", str(self.product.limits()))
            night.done.append(f"trained version {self.product.champion()}")
        else:
            self._decide(now, night)
            self._follow(now, night)
        night.seconds = time.monotonic() - started
        return night

    def _follow(self, now: int, night: Night) -> None:
        """Train on schedule, else refresh."""
        if self._canary is None and (now - self._first) // DAY % self._train_every == 0:
            self._train(now, night)
        else:
            self.product.run("refresh")

    def _train(self, now: int, night: Night) -> None:
        """Train; a version that passes the gate gets half of the traffic as the canary."""
        self.product.run("training", "--canary-percent", str(CANARY_PERCENT))
        self.product.run("refresh")  # the champion's vectors
        canary = self.product.canary()
        self._canary = (canary, now) if canary else None
        night.done.append(f"trained canary {canary}" if canary else "trained a version that the gate held")

    def _decide(self, now: int, night: Night) -> None:
        """Promote the canary, take it back, or wait for another day."""
        if self._canary is None:
            return
        (version, since), champion = self._canary, self.product.champion() or ""
        found = difference(self.traffic.shown(), champion, version, since, now)
        decision = found.decision
        if decision == "wait" and now - since >= LONGEST * DAY:
            decision = "roll_back"
        if decision != "wait":
            self.product.serving("promote" if decision == "promote" else "rollback")
            self._canary = None
        won = f"canary {version}: CTR {found.value:+.3f} [{found.low:+.3f}, {found.high:+.3f}] against {champion}"
        night.done.append(f"{won}: {decision}")
