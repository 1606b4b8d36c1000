"""Digests that steps hand to cached ones: another wherever what a step was given, or made, is another."""

from pathlib import Path
from typing import Any

import pytest
from kfp import dsl

from components.build_graph import build_graph
from components.home_domain import home_domain
from components.retrieve import retrieve
from components.services import Services
from components.specs import read_spec
from components.step import Step
from models.spec import Spec
from tests.components.specs import artifact
from tests.feature_repo import tiny
from tests.mlflow_database import add_database


@pytest.fixture
def given(tiny_spec: Spec, tmp_path: Path) -> dict[str, Any]:
    add_database(tmp_path / "state")
    services = Services.embedded("run-1", tmp_path / "state", tiny.CONFIG).to_json()
    return {"spec": artifact(tiny_spec, tmp_path), "services": services, "digest": str(tmp_path / "digest")}


def data(folder: Path, content: str) -> dsl.Dataset:
    """A folder with this content, as its manifest says."""
    folder.mkdir(exist_ok=True)
    (folder / "manifest.json").write_text(f'{{"tables": {{}}, "counts": {{}}, "of": "{content}"}}', encoding="utf-8")
    return dsl.Dataset(name=folder.name, uri=str(folder))


def digest(component: Any, given: dict[str, Any], **more: Any) -> str:
    component.python_func(**given, **more)
    return Path(given["digest"]).read_text(encoding="utf-8")


def test_tables_and_training_set(given: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Step, "open_store", lambda _: None)
    page = dsl.Markdown(name="page", uri=str(tmp_path / "page.md"))

    def found(tables: str, made: str) -> str:
        monkeypatch.setattr("feature_repo.retrieve.retrieve", lambda *at: data(at[3], made) and {"tables": {}})
        made_set = dsl.Dataset(name="set", uri=str(tmp_path / "set"))
        return digest(retrieve, given, tables=data(tmp_path / "tables", tables), training_set=made_set, summary=page)

    assert found("a", "b") == found("a", "b")
    assert len({found("a", "b"), found("c", "b"), found("a", "c")}) == 3


def test_graph(given: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = {name: data(tmp_path / name, "a") for name in ("tables", "training_set")}
    page = dsl.Markdown(name="page", uri=str(tmp_path / "page.md"))

    def found(made: str) -> str:
        monkeypatch.setattr("models.graph.build.build_graph", lambda *at: data(at[3], made) and {"counts": {}})
        graph = dsl.Dataset(name="graph", uri=str(tmp_path / "graph"))
        return digest(build_graph, given, **inputs, graph=graph, summary=page)

    assert found("a") == found("a") != found("b")


def test_home_domain(given: dict[str, Any], tiny_spec: Spec, tmp_path: Path) -> None:
    single = dsl.Artifact(name="single", uri=str(tmp_path / "single"))
    found = [digest(home_domain, given, single=single, inputs=inputs) for inputs in ("a", "a", "b")]
    assert found[0] == found[1] != found[2]
    assert read_spec(single).domains == [tiny_spec.home_domain]
