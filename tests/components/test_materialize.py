"""The materialize component: what it tells a training at its start, and what a run that was overtaken leaves."""

from pathlib import Path
from typing import Any

import pytest
from kfp import dsl

from components.materialize import materialize
from components.services import Services
from feature_repo.lease import LeaseError, acquire
from feature_repo.materialise import MaterializeResult, run
from feature_repo.notes import notes_of
from feature_repo.packed.keys import view_prefix
from feature_repo.push import push
from feature_repo.sources import end_of_data
from feature_repo.stores.online import bulk
from models.features import online_views
from models.time_units import HOUR
from tests.components.specs import artifact
from tests.feature_repo import tiny
from tests.feature_repo.sources.fakes import small_spec, small_tables
from tests.feature_repo.test_stamps import open_product
from tests.mlflow_database import add_database


class FakeRegistry:
    kept: set[str]

    def __init__(self, tracking_uri: str) -> None:
        pass

    def serving(self, name: str) -> set[str]:
        return set(self.kept)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A product that is applied, with nothing online."""
    monkeypatch.setattr("serving.versions.registry.Registry", FakeRegistry)
    FakeRegistry.kept = set()
    add_database(tmp_path / "state")
    return open_product(small_spec(), small_tables(), tmp_path)


def materialized(folder: Path, pipeline: str = "training") -> str:
    """Run the component; return its page."""
    page = dsl.Markdown(name="page", uri=str(folder / "page.md"))
    materialize.python_func(
        spec=artifact(small_spec(), folder),
        services=Services.embedded("run-1", folder / "state", tiny.CONFIG, pipeline=pipeline).to_json(),
        tables=dsl.Dataset(name="tables", uri=str(folder / "tables")),
        summary=page,
    )
    return Path(page.path).read_text(encoding="utf-8")


def rows(store: Any) -> list[int]:
    """How many rows each view has online, in the order in which they are written."""
    return [len(dict(bulk.rows_of(store).dump(view_prefix(store.project, v)))) for v in online_views(small_spec())]


@pytest.mark.parametrize("moment", ["between two views", "within a view"])
def test_a_run_that_was_overtaken_writes_no_further_rows(
    store: Any, tmp_path: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "CHUNK", 1)
    pull, write = run.newest_rows, bulk.rows_of(store).__class__.write_newest
    pulled = list[int]()

    def overtaken() -> None:
        acquire(notes_of(store), "run-2", 100, force=True)

    def newest(*arguments: Any) -> Any:
        pulled.append(1)
        if moment == "between two views" and len(pulled) == 2:
            overtaken()
        return pull(*arguments)

    def written(*arguments: Any) -> None:
        write(*arguments)
        if moment == "within a view":
            overtaken()

    monkeypatch.setattr(run, "newest_rows", newest)
    monkeypatch.setattr(bulk.rows_of(store).__class__, "write_newest", written)
    with pytest.raises(LeaseError, match="found run run-2"):
        materialized(tmp_path)
    first, *others = rows(store)
    assert (first, set(others)) == (2 if moment == "between two views" else 1, {0})


def test_a_training_is_told_at_its_start_that_no_slot_is_free(
    store: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vectors, versions = tiny.vectors(tmp_path / "vectors"), ["1", "2", "3"]
    for version in versions:
        assert "WARNING" not in materialized(tmp_path)
        push(store, small_spec(), vectors, version, f"e{version}", versions)
    assert "WARNING" not in materialized(tmp_path)  # they lie there, and nobody needs them
    FakeRegistry.kept = set(versions)
    warning = "WARNING: no slot is free, all hold vectors of versions that serve (1 (blue), 2 (green), 3 (amber))"
    capsys.readouterr()
    assert f"{warning}. Promote the canary or roll it back" in materialized(tmp_path)
    printed = capsys.readouterr().out
    assert printed.index("materialize: started") < printed.index(warning) < printed.index("materialized")
    assert "WARNING" not in materialized(tmp_path, "refresh")  # the champion's vectors have their slot


@pytest.mark.parametrize(("hours", "until"), [(24, 24 * HOUR + 1), (1, HOUR + 1), (0, 1), (720, None)])
def test_snapshots_are_written_up_to_now_where_the_data_are_new(
    store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: int, until: int | None
) -> None:
    given = dict[str, Any]()
    end = end_of_data(tmp_path / "tables")
    monkeypatch.setattr("models.clock.now", lambda: end + hours * HOUR)

    def recorded(*_: Any, **options: Any) -> MaterializeResult:
        given.update(options)
        return MaterializeResult()

    monkeypatch.setattr("feature_repo.materialise.materialize", recorded)
    materialized(tmp_path, "refresh")
    assert given["snapshots_until"] == (None if until is None else end + until)
