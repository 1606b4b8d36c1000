"""All runs of a product, read from real MLflow on SQLite."""

import time
from pathlib import Path

import pytest

from monitoring import runs
from monitoring.errors import LedgerError
from monitoring.ledger import Ledger
from monitoring.runs import read_runs


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Three runs of one product and one of another."""
    address = f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"
    first = Ledger(address, "first", "small", "training")
    with first.step("ingest"):
        first.note("data", {"impressions": "ab"})
        first.note("spec", {"long": "x" * 9000})
    first.close("SUCCEEDED")
    second = Ledger(address, "second", "small", "refresh")
    with pytest.raises(ValueError, match="boom"), second.step("champion"):
        raise ValueError("boom")
    second.close("FAILED")
    Ledger(address, "third", "small")
    Ledger(address, "alien", "other", "training")
    return address


def test_runs_are_read_in_their_order_with_steps_and_short_notes(address: str) -> None:
    first, second, third = read_runs(address, "small")
    assert [(run.name, run.pipeline) for run in (first, second, third)] == [
        ("first", "training"), ("second", "refresh"), ("third", None),
    ]  # fmt: skip
    assert first.notes == {"data": {"impressions": "ab"}}  # the spec is in a file
    assert (first.succeeded, second.succeeded, third.succeeded) == (True, False, False)
    assert [(step.name, step.status, step.error) for step in second.steps] == [
        ("champion", "failed", "ValueError: boom")
    ]
    assert third.ended is None
    assert first.ended is not None
    assert 1_700_000_000_000_000 < first.started <= first.ended


def test_all_products_or_none(address: str) -> None:
    assert [(run.experiment, run.name) for run in read_runs(address)][-1] == ("other", "alien")
    assert read_runs(address, "unknown") == []


def test_the_next_pages_are_read_too(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "PAGE", 1)
    assert [run.name for run in read_runs(address)] == ["first", "second", "third", "alien"]


def test_two_hundred_runs_take_no_call_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient

    address = f"sqlite:///{tmp_path}/mlflow.db"
    ledger = Ledger(address, "0", "many", "training")
    experiment = ledger._client.get_experiment_by_name("many").experiment_id
    for number in range(1, 200):
        ledger._client.create_run(
            experiment, tags={"heliograph.run": str(number), "note.verdict": '{"decision": "hold"}'}
        )
    calls = []
    for name in ("search_runs", "get_run", "list_artifacts", "download_artifacts", "search_experiments"):
        original = getattr(MlflowClient, name)

        def counted(self: MlflowClient, *args: object, _name: str = name, _call=original, **kwargs: object) -> object:
            calls.append(_name)
            return _call(self, *args, **kwargs)

        monkeypatch.setattr(MlflowClient, name, counted)
    began = time.monotonic()
    found = read_runs(address, "many")
    assert len(found) == 200
    assert sorted(calls) == ["search_experiments", "search_runs"]
    print(f"{time.monotonic() - began:.2f} s for 200 runs")


def test_no_mlflow_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(LedgerError, match=r"expected MLflow at http://127\.0\.0\.1:9 to respond"):
        read_runs("http://127.0.0.1:9", "small")
