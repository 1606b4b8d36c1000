"""The night's runs: new raw data, fresh vectors, the verdict on the day before, and what follows from it."""

import time
from datetime import timedelta

from benchmarks.loop.canary import LONGEST, difference
from benchmarks.loop.monitor import Monitor
from benchmarks.loop.page import Night
from benchmarks.loop.product import CANARY_PERCENT, LoopProduct
from benchmarks.loop.traffic import Traffic
from feature_repo.sources.world.draw import DAY
from monitoring.verdict import ACTIONS, State

_ACTS = {ACTIONS[state] for state in (State.RECALIBRATE, State.RETRAIN, State.ROLL_BACK)}


class Nights:
    """What happens between two days of one product.

    ``monitor``: its verdicts decide on trainings and rollbacks; None: train every ``train_every`` days.
    """

    def __init__(self, product: LoopProduct, traffic: Traffic, monitor: Monitor | None, train_every: int = 7) -> None:
        self.product, self.traffic = product, traffic
        self._monitor, self._train_every = monitor, timedelta(days=train_every)
        self._first = 0
        self._canary: tuple[str, int] | None = None
        """The canary's version, and the second from which it serves."""
        self.found: list[Night] = []

    def run(self, now: int, fault: str = "") -> Night:
        """The night at second ``now``: the outcomes of the day before, which had a ``fault``, have settled."""
        started, night = time.monotonic(), Night(self.product.date(now // DAY - 1), fault=fault)
        self.found.append(night)
        self.traffic.export(now)
        if not self.product.versions():
            self._first = now
            self.product.run("training")
            self.product.serving("up", "--limits", str(self.product.limits()))
            night.done.append(f"trained version {self.product.champion()}")
        else:
            self._decide(now, night)
            self.product.run("refresh")
            if self._monitor is not None:
                self._follow(self._monitor, night)
            elif self._canary is None and timedelta(seconds=now - self._first) % self._train_every < timedelta(days=1):
                self.product.run("training", "--canary-percent", str(CANARY_PERCENT))
                night.done.append("trained on schedule")
            self._look_for_canary(now, night)
        night.seconds = time.monotonic() - started
        return night

    def _follow(self, monitor: Monitor, night: Night) -> None:
        """Judge the day before, and let `act` do what the verdict says, unless a canary is being looked at."""
        verdict = monitor.judge()
        night.state, night.cause = verdict.state.value, verdict.cause
        night.text = "; ".join(f"{alarm.cause}: {alarm.text}" for alarm in verdict.evidence[:3])
        if verdict.action in _ACTS and self._canary is None:
            before = self.product.roles()
            self.product.run("act", "--for-real")
            after = self.product.roles()
            changed = ", ".join(f"{role} {version}" for role, version in after.items() if before.get(role) != version)
            night.done.append(f"act: {verdict.action}" + (f", now {changed}" if changed else ", nothing changed"))

    def _look_for_canary(self, now: int, night: Night) -> None:
        found = self.product.canary()
        if found is None:
            self._canary = None
        elif self._canary is None:
            self._canary = (found, now)
            night.done.append(f"canary {found} begins")

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
            self._canary, night.promoted = None, decision == "promote"
        won = f"canary {version}: CTR {found.value:+.3f} [{found.low:+.3f}, {found.high:+.3f}] against {champion}"
        night.done.append(f"{won}: {decision}")
