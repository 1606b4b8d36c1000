"""Components of a pod read and keep files at addresses: its own disk is empty, and stays so."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from kfp import dsl

from components.ingest import ingest
from components.refit import refit
from components.services import Services
from components.specs import read_spec
from components.train import train
from feature_repo.sources import professional, read_manifest, remote
from feature_repo.sources.windows import spec_of
from feature_repo.sources.world_parts import write_parts
from models import storage
from models.graph.fakes import fake_graph
from models.spec import Spec
from models.training import checkpoint
from models.training.errors import DivergedError
from monitoring.ledger import Ledger
from tests.components.specs import artifact
from tests.feature_repo import tiny
from tests.feature_repo.redis_server import redis_address, redis_server
from tests.mlflow_database import add_database
from tests.s3_server import bucket, s3_server

__all__ = ["bucket", "redis_address", "redis_server", "s3_server"]

LAST = date(2026, 4, 30)


@pytest.fixture
def services(tmp_path: Path, bucket: str, redis_address: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Those of a cluster, in a pod whose working folder is to stay empty."""
    add_database(tmp_path / "state")
    (tmp_path / "pod").mkdir()
    monkeypatch.chdir(tmp_path / "pod")
    monkeypatch.setenv("FEAST_REGISTRY", f"sqlite:///{tmp_path}/registry/feast.db")
    monkeypatch.setenv("FEAST_REDIS", redis_address)
    config = tiny.CONFIG.with_name("feature_store.cluster.yaml")
    given = Services.embedded("run-1", tmp_path / "state", config).to_json()
    return {**given, "storage": bucket, "target": "cluster"}


def test_raw_data_and_kept_rows_are_in_object_storage(
    tiny_spec: Spec,
    services: dict[str, Any],
    bucket: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(remote, "RECENT", 0)
    write_parts(tiny_spec, professional.simulated(tiny_spec), tmp_path / "raw", LAST, LAST)
    storage.upload(tmp_path / "raw", storage.join(bucket, "raw-data"))
    manifests = []
    for run in ("one", "two"):
        tables = dsl.Dataset(name="tables", uri=str(tmp_path / run / "tables"))
        resolved = dsl.Artifact(name="resolved", uri=str(tmp_path / run / "resolved"))
        ingest.python_func(
            spec=artifact(tiny_spec, tmp_path),
            services=services,
            data=storage.join(bucket, "raw-data"),
            tables=tables,
            resolved=resolved,
            summary=dsl.Markdown(name="summary", uri=str(tmp_path / run / "page.md")),
        )
        manifests.append(read_manifest(Path(tables.path)))
        assert read_spec(resolved) == spec_of(tiny_spec, manifests[-1])
    assert manifests[0] == manifests[1]
    parts = len(professional.TABLES)
    assert f"raw files: 0 read, {parts} unchanged since they were read" in capsys.readouterr().out
    assert len(storage.names(storage.join(bucket, "raw", tiny_spec.name))) == parts
    assert not list((tmp_path / "pod").rglob("*"))


def test_a_training_goes_on_in_another_pod(
    tiny_spec: Spec, services: dict[str, Any], bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "BETWEEN_COPIES", 0)
    spec = tiny_spec.model_copy(update={"training": tiny_spec.training.__class__(epochs=2, batch_size=64)})
    fake_graph(members=20, items=24).save(tmp_path / "graph")
    series, epochs = Ledger.series, list[int]()

    def run(pod: str) -> Path:
        model = dsl.Model(name="model", uri=str(tmp_path / pod / "model"))
        train.python_func(
            spec=artifact(spec, tmp_path),
            services=services,
            graph=dsl.Dataset(name="graph", uri=str(tmp_path / "graph")),
            model=model,
            metrics=dsl.Metrics(name="metrics", uri=str(tmp_path / pod / "metrics")),
            digest=str(tmp_path / pod / "digest"),
        )
        return Path(model.path)

    def taken_away(ledger: Ledger, values: Any, epoch: int) -> None:
        epochs.append(epoch)
        if len(epochs) == 1:
            raise InterruptedError
        series(ledger, values, epoch)

    monkeypatch.setattr(Ledger, "series", taken_away)
    with pytest.raises(InterruptedError):
        run("first")
    kept = storage.join(bucket, "checkpoints", spec.name)
    (fit,) = storage.names(kept)  # its fingerprint
    assert storage.names(storage.join(kept, fit, "train")) == ["epoch_0001"]
    assert (run("second") / "model.safetensors").is_file()
    assert epochs == [1, 2]
    assert storage.names(kept) == []
    assert not list((tmp_path / "pod").rglob("*"))


def test_a_refit_keeps_its_progress_at_an_address_of_its_own(
    tiny_spec: Spec, services: dict[str, Any], bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_graph(members=20, items=24).save(tmp_path / "graph")
    (tmp_path / "model").mkdir()
    kept = list[str]()

    def diverged(*given: Any) -> None:
        kept.append(given[-2])
        raise DivergedError("no")

    monkeypatch.setattr("models.training.job.refit", diverged)
    refit.python_func(
        spec=artifact(tiny_spec, tmp_path),
        services=services,
        graph=dsl.Dataset(name="graph", uri=str(tmp_path / "graph")),
        model=dsl.Model(name="model", uri=str(tmp_path / "model")),
        evaluation=dsl.Dataset(name="evaluation", uri=str(tmp_path / "evaluation")),
        serving=dsl.Model(name="serving", uri=str(tmp_path / "serving")),
        check=dsl.Artifact(name="check", uri=str(tmp_path / "check")),
        summary=dsl.Markdown(name="summary", uri=str(tmp_path / "page.md")),
    )
    assert kept == [f"{bucket}/checkpoints/{tiny_spec.name}-refit"]
