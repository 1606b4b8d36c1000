"""The push_embeddings component on a real graph and store; the model and the registry are fakes."""

from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import ANY

import pandas as pd
import pyarrow.parquet as pq
import pytest
from kfp import dsl

from components.push_embeddings import push_embeddings
from components.services import Services
from feature_repo.lease import LeaseError, acquire, release
from feature_repo.notes import notes_of
from feature_repo.push import PushError, push, pushed_until, slot_of
from feature_repo.retrieve import retrieve
from feature_repo.slots import forget_slots
from feature_repo.sources import end_of_data
from models.addresses import sqlite_address
from models.features import SLOTS
from models.graph.build import build_graph
from models.profile import ColumnProfiles
from models.time_units import microseconds, moment
from models.training.devices import best_device
from monitoring.documents import read_json, write_json
from monitoring.ledger import Ledger
from monitoring.profiles import VersionProfile
from serving.errors import RegistryError
from tests.components.specs import artifact
from tests.feature_repo import tiny
from tests.feature_repo.sources.fakes import small_spec, small_tables
from tests.feature_repo.test_stamps import open_product


class FakeRegistry:
    kept: ClassVar = {"1"}
    """The versions that serve or may have to."""
    role: ClassVar[dict[str, str]] = {}
    """Version by role."""
    encoders: ClassVar[dict[str, str]] = {}
    """Encoder by version; those without one cannot be fetched."""

    def __init__(self, tracking_uri: str) -> None:
        pass

    def serving(self, name: str) -> set[str]:
        return {*self.kept, *self.role.values()}

    def champion(self, name: str) -> str | None:
        return self.role.get("champion")

    def canary(self, name: str) -> str | None:
        return self.role.get("canary")

    def previous(self, name: str) -> str | None:
        return self.role.get("previous")

    def download(self, name: str, version: str, folder: Path) -> Path:
        if version not in self.encoders:
            raise RegistryError(f"{name} version {version}: expected artifacts; found none")
        folder.mkdir(parents=True)
        (folder / "encoder").write_text(self.encoders[version], encoding="utf-8")
        return folder


def _encoder_in(folder: Path) -> str:
    file = folder / "encoder"
    return file.read_text(encoding="utf-8") if file.exists() else "encoder"


def _embed(model: Any, graph: Any, as_of: int, folder: Path, creation: str | None) -> None:
    """Vectors of this time, whatever the model."""
    for file in tiny.vectors(folder).glob("*.parquet"):
        table = pq.read_table(file)
        place = table.schema.get_field_index("as_of")
        pq.write_table(table.set_column(place, "as_of", [[moment(as_of)] * len(table)]), file)


@pytest.fixture(autouse=True)
def _fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.training.embed.embed", _embed)
    monkeypatch.setattr("models.training.artifact.load_model", lambda folder, device: {best_device(): None}[device])
    monkeypatch.setattr("models.training.encoder.encoder_in", _encoder_in)
    monkeypatch.setattr("serving.versions.registry.Registry", FakeRegistry)


def prepared(folder: Path, tables: dict[str, pd.DataFrame], run: str) -> dict[str, dsl.Dataset]:
    """Ingest to graph, on these tables and one state folder; return the step's artifacts."""
    spec, at = small_spec(), folder / run
    store = open_product(spec, tables, at)
    retrieve(store, spec, at / "tables", at / "set")
    build_graph(spec, at / "tables", at / "set", at / "graph")
    tiny.apply_tables(tiny.store_of(spec, folder / "state"), spec, at / "tables", folder / "state")
    return {name: dsl.Dataset(name=name, uri=str(at / name)) for name in ("tables", "graph", "vectors")}


def step(folder: Path, artifacts: dict[str, dsl.Dataset], run: str, version: str = "1", pipeline: str = "") -> str:
    """Run the component; return its page."""
    at = folder / run
    push_embeddings.python_func(
        spec=artifact(small_spec(), at),
        services=Services.embedded(run, folder / "state", tiny.CONFIG, pipeline=pipeline).to_json(),
        model=dsl.Model(name="model", uri=str(at / "model")),
        version=version,
        summary=dsl.Markdown(name="page", uri=str(at / "page.md")),
        **artifacts,
    )
    return (at / "page.md").read_text(encoding="utf-8")


def pushed(folder: Path, tables: dict[str, pd.DataFrame], run: str) -> str:
    """Ingest to push, on these tables and one state folder; return the step's page."""
    return step(folder, prepared(folder, tables, run), run)


def test_vectors_are_stamped_with_what_their_graph_knows(tmp_path: Path) -> None:
    tables = small_tables()
    click = tables["impressions"]["settled_time"].max()
    tables["follows"].loc[2, "time"] = click + timedelta(days=5)  # a visit, which is no edge
    pushed(tmp_path, tables, "run")
    store = tiny.store_of(small_spec(), tmp_path / "state")
    assert pushed_until(store, "1") == microseconds(click) + 1
    assert (notes_of(store).read("lease") or {})["owner"] == "run"  # until it is deployed
    assert end_of_data(tmp_path / "run" / "tables") == microseconds(click + timedelta(days=5)) + 1
    ledger = Ledger(sqlite_address(tmp_path / "state" / "mlflow" / "mlflow.db"), "run", small_spec().name)
    counts = read_json(tmp_path / "run" / "graph" / "manifest.json")["counts"]
    assert ledger.read(tmp_path / "read").notes["graph"] == counts, "the graph may have come from the cache"


def test_a_run_on_older_data_says_that_the_vectors_go_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    older, newer = small_tables(), small_tables()
    newer["members"].loc[1, "valid_from"] = newer["impressions"]["settled_time"].max() + timedelta(days=1)
    for run, tables, warns in (("first", older, False), ("next", newer, False), ("again", older, True)):
        page = pushed(tmp_path, tables, run)
        printed = capsys.readouterr().out
        for text in (page, printed):
            assert ("WARNING: version 1: the vectors know events until 2026-01-04" in text) == warns
    store = tiny.store_of(small_spec(), tmp_path / "state")
    assert pushed_until(store, "1") == microseconds(older["impressions"]["settled_time"].max()) + 1


@pytest.fixture(scope="module")
def yesterday(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, dsl.Dataset]]:
    """A state folder, and the artifacts of a run on it."""
    folder = tmp_path_factory.mktemp("refresh")
    return folder, prepared(folder, small_tables(), "run")


@pytest.mark.parametrize(("registered", "here"), [({"1", "2", "3"}, set()), ({"1"}, {"2", "3"})])
def test_what_serves_keeps_its_vectors(
    yesterday: tuple[Path, dict[str, dsl.Dataset]],
    monkeypatch: pytest.MonkeyPatch,
    registered: set[str],
    here: set[str],
) -> None:
    """Champion, canary and previous version by the registry, and what this machine's endpoint serves."""
    monkeypatch.setattr(FakeRegistry, "kept", registered)
    monkeypatch.setattr("serving.deployment.endpoint.served_versions", lambda _: here)
    folder, artifacts = yesterday
    store = tiny.store_of(small_spec(), folder / "state")
    forget_slots(store)
    for version in ("1", "2", "3"):
        push(store, small_spec(), tiny.vectors(folder / "earlier"), version, f"e{version}", ["1", "2"])
    with pytest.raises(PushError, match="expected a free slot for version 4"):
        step(folder, artifacts, "run", version="4")
    assert {slot_of(store, version) for version in ("1", "2", "3")} == set(SLOTS)


def test_the_lease_is_held_while_vectors_are_pushed_and_not_while_they_are_made(
    yesterday: tuple[Path, dict[str, dsl.Dataset]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another run may change the product while this one embeds for an hour, and not while it pushes."""
    folder, artifacts = yesterday
    store = tiny.store_of(small_spec(), folder / "state")
    forget_slots(store)
    before = acquire(store, "another", 1000, force=True).number

    def other_run(*arguments: Any) -> None:
        _embed(*arguments)
        assert acquire(store, "another", 1000).number == before
        release(store, "another")

    monkeypatch.setattr("models.training.embed.embed", other_run)
    step(folder, artifacts, "run", pipeline="training")
    assert slot_of(store, "1") is not None
    assert notes_of(store).read("lease") == {"owner": "run", "number": before + 1, "until": ANY}  # kept for deploy
    monkeypatch.setattr("models.training.embed.embed", _embed)
    monkeypatch.setattr("feature_repo.push._content", lambda _: acquire(store, "another", 1000, force=True) and "other")
    with pytest.raises(LeaseError, match="found run another"):
        step(folder, artifacts, "run", pipeline="training")


def test_a_graph_that_is_far_from_the_version_s_profile_is_warned_of(
    yesterday: tuple[Path, dict[str, dsl.Dataset]], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, artifacts = yesterday
    path = folder / "run" / "model" / "profile.json"
    graph = {"degree": {"clicked": 1000.0}, "domains": {}}
    write_json(path, VersionProfile(ColumnProfiles({}), graph=graph).to_json())
    page = step(folder, artifacts, "run")
    path.unlink()
    for text in (page, capsys.readouterr().out):
        assert "WARNING: version 1: clicked: " in text
        assert "1000.00 when the version was registered" in text


class Refresh:
    """The step of a refresh in which version 3 is the champion, after all versions were pushed with old vectors."""

    def __init__(self, yesterday: tuple[Path, dict[str, dsl.Dataset]], monkeypatch: pytest.MonkeyPatch) -> None:
        (self.folder, self.artifacts), self._patch = yesterday, monkeypatch
        self.store = tiny.store_of(small_spec(), self.folder / "state")
        self.made: list[str] = []
        """The encoders that were embedded with."""
        monkeypatch.setattr("models.training.artifact.load_model", lambda model, _: _encoder_in(model))
        monkeypatch.setattr("models.training.embed.embed", self._embed)
        monkeypatch.setattr(FakeRegistry, "kept", set())

    def run(self, encoders: dict[str, str], **role: str) -> str:
        """Run it with these encoders by version; return its page."""
        role = role or {"champion": "3", "canary": "4", "previous": "2"}
        self._patch.setattr(FakeRegistry, "role", role)
        self._patch.setattr(FakeRegistry, "encoders", {"3": "encoder", **encoders})
        forget_slots(self.store)
        self.made.clear()
        for version in role.values():
            old, encoder = tiny.vectors(self.folder / "earlier"), FakeRegistry.encoders.get(version, f"e{version}")
            push(self.store, small_spec(), old, version, encoder, role.values())
        return step(self.folder, self.artifacts, "run", version="3", pipeline="refresh")

    def fresh(self) -> set[str]:
        """The versions whose vectors know the newest event."""
        newest = microseconds(small_tables()["impressions"]["settled_time"].max()) + 1
        return {version for version in "2345" if pushed_until(self.store, version) == newest}

    def _embed(self, model: str, *given: Any) -> None:
        self.made.append(model)
        if model == "broken":
            raise ValueError("expected a feature; found none")
        _embed(model, *given)


@pytest.fixture
def refresh(yesterday: tuple[Path, dict[str, dsl.Dataset]], monkeypatch: pytest.MonkeyPatch) -> Refresh:
    return Refresh(yesterday, monkeypatch)


def test_a_refresh_makes_the_vectors_of_all_that_serve_or_may(refresh: Refresh) -> None:
    refresh.run({"4": "e4", "2": "e2"})
    assert refresh.made == ["encoder", "e4", "e2"]  # the champion first, the previous version last
    assert (notes_of(refresh.store).read("lease") or {})["owner"] == ""  # nothing of the run needs it any more
    assert refresh.fresh() == {"2", "3", "4"}


@pytest.mark.parametrize("like", ["3", "2"])
def test_versions_of_one_encoder_are_embedded_once(refresh: Refresh, like: str) -> None:
    of = {"3": "encoder", "2": "e2"}
    refresh.run({"4": of[like], "2": "e2"})
    assert refresh.made == ["encoder", "e2"]
    assert refresh.fresh() == {"2", "3", "4"}
    assert slot_of(refresh.store, "4") == slot_of(refresh.store, like)
    assert slot_of(refresh.store, "3") != slot_of(refresh.store, "2")


@pytest.mark.parametrize("encoders", [{"4": "e4"}, {"4": "e4", "2": "broken"}])
def test_a_previous_version_that_fails_is_a_warning(
    refresh: Refresh, encoders: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    page = refresh.run(encoders)
    assert refresh.fresh() == {"3", "4"}
    assert slot_of(refresh.store, "2") is not None
    for text in (page, capsys.readouterr().out):
        assert "WARNING: version 2 keeps the vectors it had" in text


def test_a_canary_that_fails_ends_the_step_after_all_others(refresh: Refresh) -> None:
    with pytest.raises(RegistryError, match="version 4: expected artifacts"):
        refresh.run({"2": "e2"})
    assert refresh.fresh() == {"2", "3"}


def test_a_champion_promoted_since_the_run_began_has_new_vectors_too(refresh: Refresh) -> None:
    refresh.run({"5": "e5"}, champion="5", previous="3")
    assert refresh.made == ["encoder", "e5"]
    assert refresh.fresh() == {"3", "5"}
