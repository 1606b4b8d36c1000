"""The steps of the pipeline act: one action per verdict, wherever a run is killed."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from kfp import dsl
from mlflow import MlflowClient

from components.act_decide import decide
from components.act_permission import permission
from components.act_recalibrate import recalibrate
from components.act_roll_back import roll_back
from components.acting import end_action
from components.lease import notes_of_run, release
from components.services import Services
from feature_repo import lease, slots
from feature_repo.notes import Notes
from feature_repo.slots import Vectors, claim, finish, read_slots
from models.profile import ColumnProfiles
from models.spec import Spec
from models.training.artifact import load_model, save_model
from monitoring.action import last_action
from monitoring.ledger import Ledger
from monitoring.profiles import VersionProfile, read_profile
from monitoring.verdict import State
from monitoring.verdicts import write_verdict
from serving.versions.bundle import write_bundle
from serving.versions.registry import ACTION, GATE, Registry
from tests.components.specs import artifact
from tests.mlflow_database import add_database
from tests.monitoring.verdicts import verdict
from tests.serving.deployment.test_rollout import FakeTarget
from tests.serving.world import CONFIG, tiny_graph, tiny_model, world_spec

NAME = "heliograph-tiny-world"
NOW = 1_767_873_600_000_000
"""2026-01-08 12:00."""


class Product:
    """A product with a champion, in a state folder of its own; every step belongs to the run that it is given."""

    def __init__(self, folder: Path, act: str = "on") -> None:
        self.folder, self.state = folder, folder / "state"
        add_database(self.state)
        self.spec: Spec = world_spec(monitoring={"act": act})
        services = self.services("run-0")
        self.registry = Registry(services.tracking_uri)
        self.notes: Notes = notes_of_run(services, self.spec.name)

    def services(self, run: str) -> Services:
        return Services.embedded(run, self.state, CONFIG, pipeline="act")

    def version(self, gate: str = "promote", **tags: str) -> str:
        """Register a version."""
        model = save_model(tiny_model(tiny_graph(self.spec)), self.folder / "model")
        bundle = self.folder / f"bundle-{len(list(self.folder.iterdir()))}"
        profile = VersionProfile(ColumnProfiles({}), labels={"click": {"all": [0.2, 0.3]}}).to_json()
        write_bundle(model, self.spec, {"gate": {"decision": gate, "reasons": []}}, {}, bundle, profile=profile)
        return self.registry.log_version(NAME, bundle, {GATE: gate, **tags})

    def champion(self) -> str:
        """Register a version, with vectors, and make it the champion."""
        found = self.version()
        self.registry.promote(NAME, found)
        finish(self.notes, claim(self.notes, Vectors(found, "e", 5, "all"), []))
        return found

    def judged(self, state: State, **parts: Any) -> None:
        write_verdict(str(self.state), self.spec.name, verdict(state, **parts))

    def step(self, component: Any, run: str, **given: Any) -> Any:
        out = self.folder / "out"
        declared = component.component_spec
        markdown = [name for name, one in (declared.outputs or {}).items() if one.type.startswith("system.Markdown")]
        if "version" in (declared.outputs or {}):
            given["version"] = str(out / "version")
        return component.python_func(
            spec=artifact(self.spec, self.folder),
            services=self.services(run).to_json(),
            **{name: dsl.Markdown(name=name, uri=str(out / name)) for name in markdown},
            **given,
        )

    def decided(self, run: str, **given: Any) -> str:
        return str(self.step(decide, run, **given))

    def chosen(self) -> str:
        """The version that the last step has put out."""
        return (self.folder / "out" / "version").read_text(encoding="utf-8")

    def ended(self, run: str, succeeded: bool = True) -> None:
        """What the exit handler does."""
        end_action(self.services(run), self.spec.name, succeeded)
        release(self.services(run), self.spec.name)

    def note(self, run: str, key: str) -> Any:
        ledger = Ledger(self.services(run).tracking_uri, run, self.spec.name, "act")
        return ledger.read(self.folder / f"read-{run}").notes.get(key)


@pytest.fixture(autouse=True)
def at_noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.clock.now", lambda: NOW)
    monkeypatch.setattr("monitoring.acting.begin.__defaults__", (None, False, lambda: NOW))
    monkeypatch.setattr("monitoring.action.finish.__defaults__", ("", lambda: NOW))
    monkeypatch.setattr("monitoring.action.renew.__defaults__", (lambda: NOW,))


@pytest.fixture
def product(tmp_path: Path) -> Product:
    return Product(tmp_path)


def killed(monkeypatch: pytest.MonkeyPatch, step: Callable[[], Any], place: Any, name: str, after: bool) -> None:
    """Run a step that is killed before or after a call."""
    original = getattr(place, name)

    def kill(*given: Any, **named: Any) -> Any:
        if after:
            original(*given, **named)
        raise KeyboardInterrupt

    with monkeypatch.context() as broken, contextlib.suppress(KeyboardInterrupt):
        broken.setattr(place, name, kill)
        step()


def test_a_new_product_is_told_what_would_be_done(tmp_path: Path) -> None:
    product = Product(tmp_path, act="dry_run")
    assert product.decided("run-1") == "nothing"
    assert product.decided("run-0", mode="on") == "nothing"  # no version, no verdict, no row in the store
    product.champion()
    product.judged(State.RETRAIN)
    assert product.decided("run-2") == "nothing"
    assert product.note("run-2", "act")["reason"] == "dry run: it would do this: retrain: ranking.auc since 2026-01-07"
    assert product.decided("run-3", mode="off") == "nothing"
    assert last_action(product.notes) is None
    assert product.decided("run-4", mode="on") == "retrain"
    assert product.decided("run-5", mode="dry_run") == "nothing"
    with pytest.raises(ValueError, match="found 'yes'"):
        product.decided("run-6", mode="yes")


def test_a_dry_run_does_not_take_the_lease_of_a_training(product: Product) -> None:
    lease.acquire(product.notes, "training", 1800.0)
    for mode, owner in (("dry_run", "training"), ("off", "training"), ("on", "run-on")):
        assert product.decided(f"run-{mode}", mode=mode) == "nothing"
        assert (product.notes.read(lease.NOTE) or {})["owner"] == owner


def test_a_retraining_that_was_killed_before_it_registered_begins_again(product: Product) -> None:
    product.champion()
    product.judged(State.RETRAIN)
    assert product.decided("run-1") == "retrain"
    product.ended("run-1", succeeded=False)
    assert (product.decided("run-2"), product.chosen()) == ("retrain", "")
    product.ended("run-2")
    assert product.decided("run-3") == "nothing"
    product.judged(State.RETRAIN, day="2026-01-08")
    assert product.decided("run-4") == "nothing"  # the cool-down


@pytest.mark.parametrize(("gate", "kind", "version"), [("promote", "deploy", "2"), ("hold", "nothing", "")])
def test_a_retraining_that_was_killed_after_it_registered_is_not_trained_again(
    product: Product, gate: str, kind: str, version: str
) -> None:
    product.champion()
    product.judged(State.RETRAIN)
    product.decided("run-1")
    product.version(gate, **{ACTION: "2026-01-07 retrain"})
    product.ended("run-1", succeeded=False)
    assert (product.decided("run-2"), product.chosen()) == (kind, version)
    product.ended("run-2")
    assert product.decided("run-3") == "nothing"


@pytest.mark.parametrize(("call", "after"), [("target", True), ("registry", True), ("summary", False)])
def test_a_killed_rollback_is_one_rollback(
    product: Product, call: str, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = Target()
    monkeypatch.setattr("serving.deployment.embedded.Embedded", lambda *_, **__: target)
    product.champion()
    product.registry.promote(NAME, product.version())
    product.judged(State.ROLL_BACK, versions={"champion": "2"})
    target.main = "2"
    assert product.decided("run-1") == "roll_back"
    place, name = {"target": (target, "rollback"), "registry": (Registry, "promote"), "summary": (Ledger, "note")}[call]
    killed(monkeypatch, lambda: product.step(roll_back, "run-1"), place, name, after)
    product.ended("run-1", succeeded=False)
    assert product.decided("run-2") == "roll_back"
    product.step(roll_back, "run-2")
    product.ended("run-2")
    assert (target.main, product.registry.champion(NAME), product.registry.previous(NAME)) == ("1", "1", None)
    assert product.note("run-2", "endpoint")["version"] == "1"
    assert product.decided("run-3") == "nothing"


@pytest.mark.parametrize("when", ["decide", "roll back"])
def test_a_rollback_that_a_person_has_overtaken_ends(
    product: Product, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = Target()
    monkeypatch.setattr("serving.deployment.embedded.Embedded", lambda *_, **__: target)
    product.champion()
    product.registry.promote(NAME, product.version())
    product.judged(State.ROLL_BACK, versions={"champion": "2"})
    assert product.decided("run-1") == "roll_back"
    if when == "decide":
        product.ended("run-1", succeeded=False)  # it was killed
    product.registry.promote(NAME, product.version())  # what a person's promotion does, beside the traffic
    target.main = "3"
    run = {"decide": "run-2", "roll back": "run-1"}[when]
    if when == "decide":
        assert product.decided(run) == "nothing"
        assert "is overtaken: champion 3" in product.note(run, "act")["reason"]
    else:
        product.step(roll_back, run)
        assert "is overtaken: champion 3" in (product.folder / "out" / "summary").read_text(encoding="utf-8")
    product.ended(run)
    action = last_action(product.notes)
    assert action is not None
    assert (action.run, action.done, bool(action.overtaken)) == ("run-1", NOW, True)
    assert (target.main, product.registry.champion(NAME), product.registry.previous(NAME)) == ("3", "3", "2")
    assert product.decided("run-3") == "nothing"


class Target(FakeTarget):
    """An endpoint on this machine, with an address."""

    def _record(self, *call: object) -> None:
        self.calls.append(call)

    def address(self) -> Any:
        return SimpleNamespace(url="http://127.0.0.1:1", grpc="")


@pytest.mark.parametrize(("call", "after"), [("log_artifacts", True), ("log_version", True), ("share", True)])
def test_a_killed_recalibration_registers_one_version_on_the_champions_vectors(
    product: Product, call: str, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("components.joined.join_of", lambda *_: join_days)
    product.champion()
    product.judged(State.RECALIBRATE)
    product.decided("run-1")

    place = {"log_artifacts": MlflowClient, "log_version": Registry, "share": slots}[call]
    tables = dsl.Dataset(name="tables", uri=str(product.folder / "tables"))
    killed(monkeypatch, lambda: product.step(recalibrate, "run-1", tables=tables), place, call, after)
    product.ended("run-1", succeeded=False)
    assert product.decided("run-2") == "recalibrate"
    assert (product.step(recalibrate, "run-2", tables=tables), product.chosen()) == ("promote", "2")
    product.ended("run-2")
    assert product.registry.versions(NAME) == ["1", "2"]
    assert product.registry.tags(NAME, "2")[ACTION] == "2026-01-07 recalibrate"
    assert read_slots(product.notes)["blue"].versions == ("1", "2")
    model = load_model(product.registry.download(NAME, "2", product.folder / "second"))
    assert model.training["recalibrated"]["version"] == "1"
    profile = read_profile(product.folder / "second")
    assert profile is not None
    assert profile.calibration["click"]["all"]["mean"] == pytest.approx(0.0, abs=0.1)
    assert profile.labels == {"click": {"all": [0.2, 0.3]}}
    assert product.note("run-2", "verdict")["versions"] == {"champion": "1"}


def join_days(first: int, last: int, folder: Path) -> None:
    """Served rows whose probabilities are 1.6 times too high."""
    generator, rows, spec = np.random.default_rng(0), 3000, world_spec()
    truth = generator.uniform(0.05, 0.5, rows)
    whole: dict[str, Any] = {"served": first + np.arange(rows), "member": generator.integers(0, 300, rows)}
    whole |= {"surface": generator.choice(spec.impressions.surfaces, rows), "model_version": "1", "fallback": False}
    for task in spec.tasks:
        whole |= {f"probability_{task}": 1.6 * truth, f"label_{task}": (generator.random(rows) < truth).astype(float)}
    folder.mkdir(exist_ok=True)
    pd.DataFrame(whole).to_parquet(folder / "day=2026-01-07.parquet")


def test_only_a_run_that_began_an_action_does_one(product: Product) -> None:
    product.champion()
    product.judged(State.RECALIBRATE)
    with pytest.raises(Exception, match="expected one that run run-1 has begun; found none"):
        product.step(roll_back, "run-1")


@pytest.mark.parametrize(("state", "found"), [(State.DATA_FAULT, "frozen"), (State.RETRAIN, "go")])
def test_a_data_fault_keeps_training_from_starting(product: Product, state: State, found: str) -> None:
    assert product.step(permission, "run-1") == "go"
    product.judged(state)
    assert product.step(permission, "run-2") == found
    assert product.step(permission, "run-3", ignore_freeze=True) == "go"
    frozen = product.note("run-2", "frozen")
    assert (frozen is not None) == (found == "frozen")
    assert frozen is None or frozen.startswith("tiny_world is frozen since 2026-01-07: data fault features.null")
