"""A registry with more models and versions than one page of an MLflow search."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from mlflow import MlflowClient
from werkzeug.serving import make_server

from serving.versions.registry import Registry

NAMES = sorted([*(f"model-{number:03}" for number in range(105)), "o'brien", 'the "best"'])
"""A page of one hundred, and some more."""


@contextmanager
def mlflow_server(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Run MLflow's server over the database; yield its address."""
    monkeypatch.setenv("_MLFLOW_SERVER_FILE_STORE", database)
    monkeypatch.setenv("_MLFLOW_SERVER_REGISTRY_STORE", database)
    monkeypatch.setattr("mlflow.server.handlers._tracking_store", None)
    monkeypatch.setattr("mlflow.server.handlers._model_registry_store", None)
    from mlflow.server import app

    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    uri = f"sqlite:///{tmp_path_factory.mktemp('registry')}/mlflow.db"
    assert Registry(uri).names() == []
    client = MlflowClient(uri, uri)
    for name in NAMES:
        client.create_registered_model(name)
    for number in range(12):
        client.create_model_version("model-104", f"file:///nowhere/{number}", tags={"gate": f"verdict {number + 1}"})
    return uri


def test_every_model_is_seen_in_a_database(database: str) -> None:
    assert Registry(database).names() == NAMES


def test_every_model_is_seen_on_a_server(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with mlflow_server(database, monkeypatch) as address:
        assert Registry(address).names() == NAMES
        assert Registry(address).versions("model-104") == [str(number) for number in range(1, 13)]


def test_every_version_is_seen(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow returns up to ten thousand versions per page: here five."""
    search = MlflowClient.search_model_versions
    monkeypatch.setattr(
        MlflowClient, "search_model_versions", lambda *given, **named: search(*given, max_results=5, **named)
    )
    registry = Registry(database)
    assert registry.versions("model-104") == [str(number) for number in range(1, 13)]
    assert list(registry.decisions("model-104").items())[0::11] == [("12", "verdict 12"), ("1", "verdict 1")]
    assert registry.versions("model-000") == []


@pytest.mark.parametrize("name", ["o'brien", 'the "best"'])
def test_a_name_may_hold_a_quote(name: str, database: str) -> None:
    assert Registry(database).versions(name) == []


def test_no_search_of_the_tree_stops_at_a_page() -> None:
    """Every search of MLflow either reads all pages or sets max_results; Evidently's of projects has no pages."""
    root = Path(__file__).resolve().parents[3]
    search = re.compile(r"\.search_(?!project\()[a-z_]+\([^()]*(?:\([^()]*\)[^()]*)*\)")
    calls = [
        (path.name, call)
        for package in ("models", "feature_repo", "serving", "monitoring", "components", "pipelines")
        for path in (root / package).rglob("*.py")
        for call in search.findall(path.read_text(encoding="utf-8"))
    ]
    assert calls
    assert [call for call in calls if "page_token" not in call[1] and "max_results" not in call[1]] == []
