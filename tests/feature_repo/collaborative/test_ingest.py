"""Snapshots as tables of an ingest: in its manifest, kept with its raw rows, nothing of them after an error."""

from pathlib import Path

import pandas as pd
import pytest

from feature_repo.collaborative import neighbors
from feature_repo.sources import read_manifest, read_table
from feature_repo.sources.errors import SourceError
from feature_repo.sources.ingest import ingest
from models.spec import Spec
from tests.factories import specs
from tests.feature_repo.sources.fakes import DOCUMENT, MEMBER, POST, install_adapter, small_tables

TABLES = ("collaborative_watched_member", "collaborative_watched_item")


def spec_of(*kinds: str) -> Spec:
    edges = {**DOCUMENT["edges"]}
    edges["skipped"] = specs.edge("impressions", MEMBER, POST, filter={"clicked": [0]}, fan_out=[2, 1])
    block = {"events": ["clicked", "skipped"], "outcome": ["clicked"], "kinds": list(kinds)}
    return specs.spec_of({**DOCUMENT, "edges": edges, "collaborative": {"watched": block}})


@pytest.fixture(autouse=True)
def fake(monkeypatch: pytest.MonkeyPatch) -> dict[str, pd.DataFrame]:
    tables = small_tables()
    install_adapter(monkeypatch, lambda spec, data: tables)
    return tables


def test_the_manifest_has_their_digests_and_the_data_ends_with_the_data(tmp_path: Path) -> None:
    spec, folder = spec_of("base", "item_item"), tmp_path / "tables"
    manifest = ingest(spec, None, folder, str(tmp_path / "kept"))
    assert manifest == read_manifest(folder)
    assert manifest["last"] == max(part["last"] for part in manifest["tables"].values() if part["last"])
    for name in TABLES:
        assert manifest["tables"][name]["rows"] == len(read_table(folder, name)) > 0
        assert manifest["tables"][name]["last"] is None
    assert list((tmp_path / "kept" / "collaborative").iterdir())
    again = ingest(spec, None, tmp_path / "again", str(tmp_path / "kept"))
    assert again["tables"] == manifest["tables"] == ingest(spec, None, tmp_path / "other")["tables"]


def test_an_error_while_fitting_leaves_the_tables_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "tables"
    before = ingest(spec_of("base"), None, folder)
    monkeypatch.setattr(neighbors, "MOST_EASE_ITEMS", 1)
    with pytest.raises(
        SourceError, match=r"collaborative\.watched\.kinds: expected at most 1 items with positive events for"
    ):
        ingest(spec_of("base", "ease"), None, folder)
    assert read_manifest(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["tables"]


def test_a_domain_without_the_events_has_no_tables(tmp_path: Path) -> None:
    spec = spec_of("base")
    edges = {name: edge.model_copy(update={"domain": "other"}) for name, edge in spec.edges.items()}
    manifest = ingest(spec.model_copy(update={"edges": edges, "domains": ["feed"]}), None, tmp_path / "tables")
    assert not set(TABLES) & set(manifest["tables"])
