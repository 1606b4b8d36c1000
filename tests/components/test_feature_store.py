"""Materialize and retrieve as components: every pod reads what they register; a run that only looks writes apart."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from kfp import dsl

from components.materialize import materialize
from components.retrieve import retrieve
from components.services import CLUSTER, Services
from components.step import Step
from components.tables import address_of
from feature_repo.applied import products, read_applied
from feature_repo.sources.ingest import ingest
from feature_repo.store import project_of
from models.storage import download, join, upload
from tests.components.specs import artifact
from tests.feature_repo import tiny
from tests.feature_repo.redis_server import redis_address, redis_server
from tests.feature_repo.sources.fakes import install_adapter, small_spec, small_tables
from tests.mlflow_database import add_database
from tests.s3_server import bucket, s3_server

__all__ = ["bucket", "redis_address", "redis_server", "s3_server"]
SPEC = small_spec()


@pytest.fixture
def embedded(tmp_path: Path) -> Services:
    add_database(tmp_path / "state")
    return Services.embedded("run-1", tmp_path / "state", tiny.CONFIG, pipeline="training")


@pytest.fixture
def cluster(
    embedded: Services, bucket: str, redis_address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Services:
    monkeypatch.setenv("FEAST_REGISTRY", f"sqlite:///{tmp_path}/registry/feast.db")
    monkeypatch.setenv("FEAST_REDIS", redis_address)
    (tmp_path / "pod").mkdir()
    monkeypatch.chdir(tmp_path / "pod")
    config = tiny.CONFIG.with_name("feature_store.cluster.yaml")
    return replace(embedded, storage=bucket, feature_store=str(config), target=CLUSTER)


def ingested(folder: Path, address: str = "") -> dsl.Dataset:
    """Tables, in object storage where there is an address; a pod has a copy in ``folder``."""
    with pytest.MonkeyPatch.context() as patch:
        install_adapter(patch, lambda *_: small_tables())
        ingest(SPEC, None, folder)
    tables = dsl.Dataset(name="tables", uri=address or str(folder))
    tables.custom_path = str(folder)
    if address:
        upload(folder, address)
    return tables


def materialized(services: Services, tables: dsl.Dataset, folder: Path) -> Step:
    """Run the component; return an opened step of the same run."""
    page, given = dsl.Markdown(name="page", uri=str(folder / "page.md")), services.to_json()
    materialize.python_func(spec=artifact(SPEC, folder), services=given, tables=tables, summary=page)
    step = Step("look", artifact(SPEC, folder), given)
    step.spec = SPEC
    return step


@pytest.mark.parametrize(
    ("uri", "address"),
    [("s3://b/a", "s3://b/a"), ("minio://b/a", "s3://b/a"), ("gs://b/a", "gs://b/a"), ("/b/../a", "/a")],
)
def test_the_address_of_an_artifact_is_not_where_a_pod_has_its_copy(uri: str, address: str) -> None:
    assert address_of(dsl.Dataset(name="tables", uri=uri)) == address


def test_another_pod_reads_what_a_step_registered(cluster: Services, tmp_path: Path) -> None:
    address = join(cluster.storage, "run", "tables")
    tables = ingested(tmp_path / "first" / "tables", address)
    step = materialized(cluster, tables, tmp_path)
    applied, store = read_applied(step.open_notes()), step.open_store()
    assert applied is not None
    assert applied[1:] == (address, join(cluster.storage, "features", SPEC.name))
    paths = [source.path for source in store.list_data_sources() if hasattr(source, "path")]
    assert paths
    assert all(path.startswith(f"{cluster.storage}/") for path in paths)
    shutil.rmtree(tmp_path / "first")
    download(address, tmp_path / "other" / "tables")
    tables.custom_path = str(tmp_path / "other" / "tables")
    retrieve.python_func(
        spec=artifact(SPEC, tmp_path),
        services=cluster.to_json(),
        tables=tables,
        training_set=dsl.Dataset(name="set", uri=str(tmp_path / "other" / "set")),
        summary=dsl.Markdown(name="page", uri=str(tmp_path / "page.md")),
        digest=str(tmp_path / "digest"),
    )
    assert (tmp_path / "other" / "set" / "frozen.parquet").is_file()
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("where", ["embedded", "cluster"])
def test_a_run_that_only_looks_writes_a_store_of_its_own(
    where: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    services: Services = request.getfixturevalue(where)
    tables = ingested(tmp_path / "tables", join(services.storage, "run", "tables") if where == "cluster" else "")
    rows = materialized(services, tables, tmp_path).open_notes().rows
    resolved = tmp_path / "state" / "feast" / "feature_store.yaml"  # what the endpoint on this machine opens

    def served() -> object:
        return dict(rows.dump(f"{SPEC.name}\0".encode())), resolved.read_bytes() if resolved.exists() else None

    before = served()
    looks = materialized(replace(services, run="run-2", pipeline="monitoring", scratch=True), tables, tmp_path)
    assert served() == before
    assert looks.open_store().project == looks.open_notes().project == project_of(SPEC.name, "monitoring")
    applied = read_applied(looks.open_notes())
    assert applied is not None
    assert applied.pushed == join(services.storage, "features", project_of(SPEC.name, "monitoring"))
    assert list(products(looks.open_notes())) == [SPEC.name]
