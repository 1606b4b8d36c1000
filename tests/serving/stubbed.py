"""An endpoint with stub servers: real supervisor and proxy, a registry that has every version."""

import json
from hashlib import sha256
from pathlib import Path

import psutil  # type: ignore[import-untyped]

STUB = "tests.serving.stub_server"
_ZOMBIE = psutil.STATUS_ZOMBIE


class FakeRegistry:
    """A registry that has every version; its name sets how its server behaves and what the gate decided."""

    champions: dict[str, str]
    canaries: dict[str, str]
    before: dict[str, str]
    """Previous champions."""

    def __init__(self, tracking_uri: str) -> None:
        self.tracking_uri = tracking_uri
        assert tracking_uri == "nowhere"

    @classmethod
    def reset(cls, **champions: str) -> None:
        """Start with these champions."""
        cls.champions, cls.canaries, cls.before = dict(champions), {}, {}

    def names(self) -> list[str]:
        return ["model"]

    def champion(self, name: str) -> str | None:
        return self.champions.get(name)

    def candidate(self, name: str) -> str | None:
        return "candidate"

    def decisions(self, name: str) -> dict[str, str]:
        return {"candidate": "promote", "held": "hold", "unjudged": "", "1": "promote"}

    def require_champion(self, name: str) -> str:
        return self.champions.get(name, "serves")

    def canary(self, name: str) -> str | None:
        return self.canaries.get(name)

    def previous(self, name: str) -> str | None:
        return self.before.get(name)

    def start_canary(self, name: str, version: str) -> None:
        self.canaries[name] = version

    def end_canary(self, name: str, version: str) -> None:
        if self.canaries.get(name) == version:
            del self.canaries[name]

    def promote(self, name: str, version: str) -> None:
        champion, before = self.champions.get(name), self.before.pop(name, None)
        if champion not in (None, version) and before != version:
            self.before[name] = champion
        self.champions[name] = version
        self.end_canary(name, version)

    def digest(self, name: str, version: str) -> str:
        return sha256(version.encode()).hexdigest()

    def download(self, name: str, version: str, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "behaviour").write_text(version, encoding="utf-8")
        verdict: dict[str, object] = {"decision": "hold" if version == "held" else "promote"}
        verdict["reasons"] = ["AUC fell by 0.02."]
        if version.startswith("against-"):
            verdict["versions"] = {"champion": version.removeprefix("against-")}
        metrics = {} if version == "unjudged" else {"gate": verdict}
        (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
        return folder


def live_processes(state: Path) -> list[int]:
    """Ids of all live processes that were started for the state folder, recorded or not."""
    return list(_commands(state))


def live_kinds(state: Path) -> list[str]:
    """Kinds of the live processes, sorted."""
    lines = _commands(state).values()
    return sorted(next(name for name in ("supervisord", STUB, "envoy") if name in line) for line in lines)


def process_of(state: Path, part: str) -> int:
    """Id of the one live process whose command contains ``part``."""
    (found,) = [pid for pid, line in _commands(state).items() if part in line]
    return found


def _commands(state: Path) -> dict[int, str]:
    """Command line of each live process by id, read once: a process may end at any moment."""
    found = psutil.process_iter(["cmdline", "status"])
    lines = {one.pid: " ".join(one.info["cmdline"] or []) for one in found if one.info["status"] != _ZOMBIE}
    return {pid: line for pid, line in lines.items() if str(state) in line}
