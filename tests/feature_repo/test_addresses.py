"""Features that lie in object storage: applied by one pod, materialized by another that shares services only."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from feature_repo.applied import pushed_folder, read_applied
from feature_repo.apply import apply
from feature_repo.commands import main
from feature_repo.push import check_pushed, push
from feature_repo.quality import last_seen
from feature_repo.retrieve import retrieve
from feature_repo.store import open_store, project_of
from feature_repo.views.errors import NotAppliedError
from models.storage import is_remote, join, names, upload
from tests.feature_repo import tiny
from tests.feature_repo.redis_server import redis_address, redis_server
from tests.s3_server import bucket, s3_server

__all__ = ["bucket", "redis_address", "redis_server", "s3_server"]
STATE = "server"
"""Where commands find the SQL registry of this test, which is a file."""


@pytest.fixture
def config(tmp_path: Path, redis_address: str) -> Path:
    """The cluster's configuration."""
    document = yaml.safe_load(tiny.CONFIG.with_name("feature_store.cluster.yaml").read_text(encoding="utf-8"))
    document["registry"]["path"] = f"sqlite:///{tmp_path}/{STATE}/feast/registry.db"
    document["online_store"]["connection_string"] = redis_address
    path = tmp_path / "image" / "feature_store.yaml"
    path.parent.mkdir()
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def applied_by_a_pod(config: Path, bucket: str, pod: Path) -> Any:
    """The tiny product, whose tables are an artifact in the bucket; the pod is gone afterwards."""
    spec = tiny.tiny_spec()
    tables, address = tiny.tables(spec, pod / "tables"), join(bucket, "artifacts", "tables")
    upload(tables, address)
    store = open_store(config, None, project_of(spec.name))
    apply(store, spec, tables, address, pushed_folder(bucket, store.project))
    push(store, spec, tiny.vectors(pod / "vectors"), "1", "e1")
    shutil.rmtree(pod)
    return store


def test_the_registry_names_nothing_that_only_one_pod_has(config: Path, bucket: str, tmp_path: Path) -> None:
    store = applied_by_a_pod(config, bucket, tmp_path / "pod")
    assert all(is_remote(view.batch_source.path) for view in store.list_feature_views())
    assert all(is_remote(source.path) for source in store.list_data_sources() if hasattr(source, "path"))
    assert "member_vectors_blue.parquet" in names(join(bucket, "features", store.project))


def test_another_machine_materializes_with_services_alone(
    config: Path, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = applied_by_a_pod(config, bucket, tmp_path / "pod")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    command = ["materialize", "--config", str(config), "--state", str(tmp_path / STATE)]
    assert main(command) == 0
    assert main([*command, "--product", "tiny", "--since-last"]) == 0
    assert "member_profile" in capsys.readouterr().out
    rows = [{"member_id": 3}, {"member_id": 99}]
    found = store.get_online_features(features=["member_profile:seniority"], entity_rows=rows).to_dict()
    assert found["seniority"] == [pytest.approx(3.4), None]
    assert last_seen(store) > 0
    assert check_pushed(store, "1") == "blue"
    assert main([*command, "--product", "other"]) == 1
    assert "project other: expected applied tables; found none" in capsys.readouterr().err
    assert list(Path().iterdir()) == []


def test_a_pod_retrieves_with_its_own_copy_of_the_tables(config: Path, bucket: str, tmp_path: Path) -> None:
    store, spec = applied_by_a_pod(config, bucket, tmp_path / "pod"), tiny.tiny_spec()
    applied = read_applied(store)
    assert applied is not None
    copy = tiny.tables(spec, tmp_path / "other" / "tables")
    manifest = retrieve(store, spec, copy, tmp_path / "set", applied.tables)
    assert manifest["windows"]["train"] > 0
    with pytest.raises(NotAppliedError, match=r"expected its table in /.*; found s3://"):
        retrieve(store, spec, copy, tmp_path / "set")
