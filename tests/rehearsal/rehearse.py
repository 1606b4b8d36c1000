"""The scenarios on the tiny product. A step that is broken stops only those that need it."""

import tempfile
from pathlib import Path
from typing import Any

from models.spec import Spec
from models.time_units import DAY
from serving.deployment.example import example_instance
from serving.versions.registry import model_name
from tests.rehearsal import snapshots
from tests.rehearsal.clients import Caller, Load, load
from tests.rehearsal.dag import SUCCEEDED
from tests.rehearsal.kfp_api import Submitted
from tests.rehearsal.runner import Ended
from tests.rehearsal.setting import STORE, Setting
from tests.rehearsal.table import BROKEN, HELD, Table, expect

READY_SECONDS = 30.0
"""The most that a predictor may take from its start until it is ready."""
SHARE = 20
"""Percent of the traffic of a canary."""
_REQUESTS = 200


class Rehearsal:
    """The scenarios over one cluster, with the table that they write."""

    def __init__(self, setting: Setting, table: Table) -> None:
        self.setting, self.table = setting, table

    def pipeline(self, name: str, spec: Spec, pipeline: str, *options: str, killed: tuple[str, ...] = ()) -> Any:
        """Submit a run; a line for every attempt of a task and one for the run. Returns it, None where it broke.

        ``killed``: the tasks whose first attempt is to fail.
        """
        first = set(killed)

        def watch(one: Ended) -> None:
            failed = one.state != SUCCEEDED
            verdict = HELD if failed == (one.task in first) else BROKEN
            self.table.add(f"{name} / {one.task}", one.seconds, verdict, "killed" if one.task in first else one.reason)
            first.discard(one.task)

        def submit() -> Submitted:
            self.setting.pipelines.watch = watch
            try:
                submitted = self.setting.submit(spec, pipeline, *options)
            finally:
                self.setting.pipelines.watch = lambda _: None
            expect(submitted.state == SUCCEEDED, submitted.error or f"the run ended as {submitted.state}")
            return submitted

        return self.table.run(name, submit)

    def caller(self, spec: Spec, submitted: Submitted) -> Caller:
        """A caller of the product's endpoint, with an instance from the training set of a run."""
        (artifact,) = submitted.run.outcomes["retrieve"].artifacts["training_set"]
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / "training_set"
            self.setting.pipelines.world.storage.fetch(artifact["uri"], place)
            instance = example_instance(spec, place, spec.span("test").end + DAY)  # everything online is visible then
        name = model_name(spec)
        known = self.setting.controller
        route = known.routes.get(name)
        gateway = route[1] if route else known.services[name].gateway
        return Caller(gateway.address, name, instance, self.setting.token)

    def versions(self, spec: Spec) -> dict[str, Any]:
        """The product's versions and aliases in MLflow."""
        return snapshots.versions(self.setting.services.tracking, model_name(spec))

    def alias(self, spec: Spec, alias: str, version: str) -> str:
        """Check which version has an alias. Raises BrokenError."""
        aliases = self.versions(spec)["aliases"]
        expect(str(aliases.get(alias)) == version, f"expected {alias} {version}; found {aliases}")
        return str(aliases)

    def online(self, project: str) -> dict[bytes, str]:
        """The digests of a Feast project's rows in Redis."""
        return snapshots.online(self.setting.services.online(), project)


def first_training(at: Rehearsal, spec: Spec) -> Caller | None:
    """An empty cluster, one training run: the version serves over HTTP and gRPC."""
    run = "1 training"
    submitted = at.pipeline(run, spec, "training")
    caller: Caller | None = at.table.run("1 a caller of the endpoint", lambda: at.caller(spec, submitted), run)

    def http() -> str:
        assert caller is not None
        slate = caller.http()
        expect(slate["model_version"] == "1", f"expected version 1; found {slate['model_version']}")
        expect(_is_warm(slate), f"expected a warm answer; found {slate}")
        return f"{len(slate['slate'])} items, warm"

    def grpc() -> str:
        assert caller is not None
        found = caller.grpc()
        expect(found["outputs"], f"expected outputs; found {found}")
        return f"outputs {', '.join(found['outputs'])}"

    at.table.run("1 the endpoint answers HTTP", http, "1 a caller of the endpoint")
    at.table.run("1 the endpoint answers gRPC", grpc, "1 a caller of the endpoint")
    at.table.run(f"1 ready in {READY_SECONDS:.0f} s", lambda: _ready(at), run)
    at.table.run("1 version 1 is the champion", lambda: at.alias(spec, "champion", "1"), run)
    return caller


def second_training(at: Rehearsal, spec: Spec, caller: Caller) -> None:
    """Another model of the same product, as a canary; promoted, rolled back; requests never fail."""
    with load(caller) as seen:
        before = at.online(spec.name)
        at.pipeline("2 training, canary", spec, "training", "--canary-percent", str(SHARE))
        needed = "2 training, canary"
        at.table.run("2 the canary's share", lambda: _shares(seen, {"1": 100 - SHARE, "2": SHARE}), needed)
        at.table.run("2 the champion's vectors are untouched", lambda: _untouched(at, spec, before), needed)
        at.table.run("2 promote", lambda: _moved(at, seen, spec, "promote", "2"), needed)
        at.table.run("2 version 2 is the champion", lambda: at.alias(spec, "champion", "2"), "2 promote")
        at.table.run("2 roll back", lambda: _moved(at, seen, spec, "rollback", "1"), "2 promote")
        at.table.run("2 version 1 is the champion", lambda: at.alias(spec, "champion", "1"), "2 roll back")
        seen.await_more(20)
    at.table.run("2 no failed and no cold request", lambda: answered(seen, _REQUESTS))


def looking(at: Rehearsal, spec: Spec, caller: Caller) -> None:
    """Monitoring writes nothing that serves; refresh and materialize write the product's own."""
    before, registered = at.online(spec.name), at.versions(spec)
    defined = snapshots.definitions(at.setting.services.registry, spec.name)
    watched = at.pipeline("3 monitoring", spec, "monitoring")

    def untouched() -> str:
        rows = snapshots.changed(before, at.online(spec.name))
        expect(not rows, f"{len(rows)} rows changed: {[snapshots.view_of(key) for key in rows[:5]]}")
        expect(registered == at.versions(spec), "versions or aliases changed")
        found = snapshots.definitions(at.setting.services.registry, spec.name)
        expect(defined == found, f"definitions changed: {snapshots.changed(defined, found)}")
        return f"{len(before)} rows"

    at.table.run("3 monitoring wrote nothing that serves", untouched, "3 monitoring")
    at.table.run("3 monitoring read what was served", lambda: _seen(at, watched), "3 monitoring")
    at.pipeline("3 refresh", spec, "refresh")
    at.table.run("3 the endpoint answers after refresh", lambda: _warm(caller), "3 refresh")
    command = ["python", "-m", "feature_repo", "materialize", "--config", STORE, "--product", spec.name]
    at.table.run("3 materialize", lambda: at.setting.pod("materialize", command).strip().splitlines()[-1])


def second_product(at: Rehearsal, spec: Spec, first: Spec, caller: Caller) -> None:
    """A product of another name on the same services, in Knative's mode."""
    before, registered = at.online(first.name), at.versions(first)
    defined = snapshots.definitions(at.setting.services.registry, first.name)
    submitted = at.pipeline("4 training of a second product", spec, "training")
    needed = "4 training of a second product"

    def untouched() -> str:
        rows = snapshots.changed(before, at.online(first.name))
        expect(not rows, f"{len(rows)} rows of {first.name} changed")
        expect(registered == at.versions(first), f"versions or aliases of {first.name} changed")
        found = snapshots.definitions(at.setting.services.registry, first.name)
        expect(defined == found, f"definitions changed: {snapshots.changed(defined, found)}")
        return f"{len(before)} rows, {len(registered['versions'])} versions"

    at.table.run("4 the first product is untouched", untouched, needed)
    at.table.run("4 the second product answers", lambda: _warm(at.caller(spec, submitted)), needed)
    at.table.run("4 the first product answers", lambda: _warm(caller), needed)
    own = at.online(spec.name)
    command = ["python", "-m", "feature_repo", "materialize", "--config", STORE, "--product", first.name]

    def other() -> str:
        at.setting.pod("materialize-first", command)
        rows = snapshots.changed(own, at.online(spec.name))
        expect(own and not rows, f"{len(rows)} rows of {spec.name} changed")
        return f"{len(own)} rows"

    at.table.run("4 materialize of the first leaves the second", other, needed)


def _seen(at: Rehearsal, watched: Submitted) -> str:
    """The pods of the predictors are gone or not: their impressions are in object storage."""
    (artifact,) = watched.run.outcomes["monitor"].artifacts["summary"]
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "summary"
        at.setting.pipelines.world.storage.fetch(artifact["uri"], page)
        text = page.read_text(encoding="utf-8")
    expect("of the endpoint against training" in text, f"expected the endpoint's features; found {text[:300]}")
    return next(line for line in text.splitlines() if "served_rows" in line)


def answered(seen: Load, least: int) -> str:
    """Whether there were more than ``least`` answers, none failed and none cold."""
    expect(sum(seen.answers.values()) > least, f"expected more than {least} answers; found {seen.answers}")
    expect(not seen.failures, f"{len(seen.failures)} failed: {seen.failures[:3]}")
    expect(not seen.cold, f"{seen.cold} answers were cold")
    return f"{sum(seen.answers.values())} answers: {dict(seen.answers)}"


def _ready(at: Rehearsal) -> str:
    slowest = max((one.ready_after or 1e9, one.name) for one in at.setting.controller.every)
    expect(slowest[0] <= READY_SECONDS, f"{slowest[1]} took {slowest[0]:.1f} s")
    return f"{slowest[0]:.1f} s"


def _shares(seen: Load, percent: dict[str, int]) -> str:
    """Whether versions answer as often as they should, within four standard deviations."""
    found = seen.await_more(_REQUESTS)
    total = sum(found.values())
    for version, share in percent.items():
        bound = 4 * (share * (100 - share) / total) ** 0.5 if total else 0
        actual = 100 * found[version] / max(total, 1)
        expect(abs(actual - share) <= bound, f"expected {share} % of version {version}; found {dict(found)}")
    return str(dict(found))


def _untouched(at: Rehearsal, spec: Spec, before: dict[bytes, str]) -> str:
    """The rows of views of vectors that were there are there unchanged."""
    vectors = {key: digest for key, digest in before.items() if "vectors" in snapshots.view_of(key)}
    after = at.online(spec.name)
    other = [key for key, digest in vectors.items() if after.get(key) != digest]
    expect(vectors, "expected vectors before the run; found none")
    expect(not other, f"{len(other)} of {len(vectors)} vectors changed")
    return f"{len(vectors)} vectors"


def _moved(at: Rehearsal, seen: Load, spec: Spec, command: str, version: str) -> str:
    """Give the command; then only ``version`` answers."""
    printed = at.setting.serving(command, spec=spec).strip().splitlines()[0]
    seen.await_more(5)  # answers that were under way
    found = seen.await_more(40)
    expect(set(found) == {version}, f"{printed}; expected answers of version {version} alone; found {dict(found)}")
    return printed


def _is_warm(slate: dict[str, Any]) -> bool:
    """Whether the member and at least one item have vectors, and the model ranked."""
    return not slate["member_cold"] and not slate["fallback"] and not all(one["cold"] for one in slate["slate"])


def _warm(caller: Caller) -> str:
    slate = caller.http()
    expect(_is_warm(slate), f"expected a warm answer; found {slate}")
    return f"version {slate['model_version']}, warm"
