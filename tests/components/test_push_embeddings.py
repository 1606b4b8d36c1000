"""The push_embeddings component on a real graph and store; the model and the registry are fakes."""

from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
import pyarrow.parquet as pq
import pytest
from kfp import dsl

from components.push_embeddings import push_embeddings
from components.services import Services
from feature_repo.lease import LeaseError, acquire
from feature_repo.notes import notes_of
from feature_repo.push import PushError, push, pushed_until, slot_of
from feature_repo.retrieve import retrieve
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
from tests.components.specs import artifact
from tests.feature_repo import tiny
from tests.feature_repo.sources.fakes import small_spec, small_tables
from tests.feature_repo.test_stamps import open_product


class FakeRegistry:
    kept: ClassVar = {"1"}
    """The versions that serve or may have to."""

    def __init__(self, tracking_uri: str) -> None:
        pass

    def serving(self, name: str) -> set[str]:
        return set(self.kept)


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
    monkeypatch.setattr("models.training.encoder.encoder_in", lambda folder: "encoder")
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
            assert ("WARNING: the vectors know events until 2026-01-04" in text) == warns
    store = tiny.store_of(small_spec(), tmp_path / "state")
    assert pushed_until(store, "1") == microseconds(older["impressions"]["settled_time"].max()) + 1


@pytest.mark.parametrize(("registered", "here"), [({"1", "2", "3"}, set()), ({"1"}, {"2", "3"})])
def test_what_serves_keeps_its_vectors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registered: set[str], here: set[str]
) -> None:
    """Champion, canary and previous version by the registry, and what this machine's endpoint serves."""
    monkeypatch.setattr(FakeRegistry, "kept", registered)
    monkeypatch.setattr("serving.deployment.endpoint.served_versions", lambda _: here)
    artifacts, store = prepared(tmp_path, small_tables(), "run"), tiny.store_of(small_spec(), tmp_path / "state")
    for version in ("1", "2", "3"):
        push(store, small_spec(), tiny.vectors(tmp_path / "earlier"), version, f"e{version}", ["1", "2"])
    with pytest.raises(PushError, match="expected a free slot for version 4"):
        step(tmp_path, artifacts, "run", version="4")
    assert {slot_of(store, version) for version in ("1", "2", "3")} == set(SLOTS)


def test_a_run_that_was_overtaken_while_it_embedded_pushes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifacts, store = prepared(tmp_path, small_tables(), "run"), tiny.store_of(small_spec(), tmp_path / "state")

    def overtaken(*arguments: Any) -> None:
        _embed(*arguments)
        acquire(store, "another", 1000, force=True)

    monkeypatch.setattr("models.training.embed.embed", overtaken)
    with pytest.raises(LeaseError, match="found run another"):
        step(tmp_path, artifacts, "run", pipeline="training")
    assert slot_of(store, "1") is None


def test_a_graph_that_is_far_from_the_version_s_profile_is_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    artifacts = prepared(tmp_path, small_tables(), "run")
    graph = {"degree": {"clicked": 1000.0}, "domains": {}}
    write_json(tmp_path / "run" / "model" / "profile.json", VersionProfile(ColumnProfiles({}), graph=graph).to_json())
    page = step(tmp_path, artifacts, "run")
    for text in (page, capsys.readouterr().out):
        assert "WARNING: version 1: clicked: " in text
        assert "1000.00 when the version was registered" in text
