"""Components called as plain functions: artifacts in, one call, artifacts and a summary page out."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from kfp import dsl

from components.champion import champion
from components.ingest import ingest
from components.lease import notes_of_run
from components.materialize import materialize
from components.report import report
from components.retrieve import retrieve
from components.services import Services
from components.specs import read_spec, write_spec
from feature_repo.forgotten import NOTE, REASON, Forgotten, digest, document, member_columns
from feature_repo.lease import acquire
from feature_repo.sources import read_manifest
from feature_repo.sources.errors import SourceError
from feature_repo.sources.windows import spec_of
from feature_repo.store import open_notes, project_of
from models.spec import Spec, SpecError, parse_spec
from models.storage import join, names
from monitoring.ledger import Ledger
from serving.errors import RegistryError
from tests.components.specs import artifact
from tests.feature_repo.sources.fakes import install_adapter, small_spec, small_tables
from tests.mlflow_database import add_database
from tests.s3_server import bucket, s3_server

__all__ = ["bucket", "s3_server"]

LATEST = {"start": None, "end": "latest", "graph": {"days": 32}}  # the last day's outcomes are not complete
STORE = Path(__file__).resolve().parent.parent.parent / "feature_repo" / "feature_store.yaml"


@pytest.fixture
def services(tmp_path: Path) -> dict[str, str]:
    add_database(tmp_path / "state")
    return Services.embedded("run-1", tmp_path / "state", STORE).to_json()


def test_tables_to_training_set(tiny_spec: Spec, services: dict[str, str], tmp_path: Path) -> None:
    """With windows that end at the newest day: the later steps read the spec with the dates."""
    document = tiny_spec.model_dump(mode="json", by_alias=True)
    document["windows"] |= LATEST
    document["source"]["options"]["days"] = 60
    rolling = parse_spec(json.dumps(document))
    given, spec = artifact(rolling, tmp_path), dsl.Artifact(name="resolved", uri=str(tmp_path / "resolved"))
    tables = dsl.Dataset(name="tables", uri=str(tmp_path / "tables"))
    pages = {name: dsl.Markdown(name=name, uri=str(tmp_path / f"{name}.md")) for name in ("in", "online", "set")}
    ingest.python_func(spec=given, services=services, data="", tables=tables, resolved=spec, summary=pages["in"])
    resolved = read_spec(spec)
    assert resolved == spec_of(rolling, read_manifest(Path(tables.path)))
    assert resolved.windows == rolling.starting(date(2026, 3, 2)).windows
    notes = Ledger(services["tracking_uri"], "run-1", tiny_spec.name).read(tmp_path / "ledger").notes
    assert notes["spec"]["windows"]["start"] == notes["windows"]["start"] == "2026-03-02"
    assert tables.metadata["tables"]["impressions"] == read_manifest(Path(tables.path))["tables"]["impressions"]["rows"]
    materialize.python_func(spec=spec, services=services, tables=tables, summary=pages["online"])
    assert "| member_profile | 300 | written |" in Path(pages["online"].path).read_text(encoding="utf-8")
    project = notes_of_run(Services.of(services), tiny_spec.name)
    assert (project.read("lease") or {})["owner"] == "run-1", "another run could apply other tables before `retrieve`"
    training_set = dsl.Dataset(name="training_set", uri=str(tmp_path / "set"))
    given = {"spec": spec, "services": services, "tables": tables}
    digest = tmp_path / "digest"
    retrieve.python_func(**given, training_set=training_set, summary=pages["set"], digest=str(digest))
    assert len(digest.read_text(encoding="utf-8")) == 64
    assert (project.read("lease") or {})["owner"] == "", "other runs wait while this one trains"
    assert (Path(training_set.path) / "frozen.parquet").is_file()
    for page in pages.values():
        assert Path(page.path).read_text(encoding="utf-8").startswith("# ")


def test_the_report_of_a_run_in_which_nothing_happened(
    tiny_spec: Spec, services: dict[str, str], tmp_path: Path
) -> None:
    status = dsl.PipelineTaskFinalStatus(
        state="FAILED",
        pipeline_job_resource_name="job",
        pipeline_task_name="pipeline",
        error_code=1,
        error_message="a pod was lost",
    )
    page = dsl.HTML(name="page", uri=str(tmp_path / "page.html"))
    report.python_func(
        spec=artifact(tiny_spec, tmp_path).uri, product=tiny_spec.name, services=services, status=status, page=page
    )
    assert "<html" in Path(page.path).read_text(encoding="utf-8")


def test_the_report_shows_steps_that_came_from_the_cache(
    tiny_spec: Spec, services: dict[str, str], tmp_path: Path
) -> None:
    with Ledger(services["tracking_uri"], services["run"], experiment=tiny_spec.name).step("evaluate"):
        pass
    status = dsl.PipelineTaskFinalStatus(
        state="SUCCEEDED",
        pipeline_job_resource_name="job",
        pipeline_task_name="pipeline",
        error_code=None,
        error_message=None,
    )
    page = dsl.HTML(name="page", uri=str(tmp_path / "page.html"))
    given = {"spec": artifact(tiny_spec, tmp_path).uri, "product": tiny_spec.name, "services": services}
    report.python_func(**given, status=status, page=page, steps=["train", "evaluate", "register"])
    assert Path(page.path).read_text(encoding="utf-8").count("from cache") == 1


def test_a_report_that_cannot_be_written_keeps_no_other_run_waiting(
    tiny_spec: Spec, services: dict[str, str], tmp_path: Path
) -> None:
    services |= {"pipeline": "training"}
    notes = notes_of_run(Services.of(services), tiny_spec.name)
    acquire(notes, services["run"], 1000)
    page = dsl.HTML(name="page", uri=str(tmp_path / "page.html"))
    status = dsl.PipelineTaskFinalStatus("FAILED", "job", "pipeline", 1, "a pod was lost")
    with pytest.raises(SpecError):
        report.python_func(
            spec=str(tmp_path / "none.json"), product=tiny_spec.name, services=services, status=status, page=page
        )
    assert acquire(notes, "run-2", 1000).owner == "run-2"


def test_the_ledger_keeps_the_report_with_the_page_that_it_links(
    tiny_spec: Spec, services: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "drift.html").write_text("<html>drift</html>", encoding="utf-8")
    ledger = Ledger(services["tracking_uri"], services["run"], experiment=tiny_spec.name)
    ledger.artifact(tmp_path / "drift.html", "drift.html")
    status = dsl.PipelineTaskFinalStatus(
        state="SUCCEEDED",
        pipeline_job_resource_name="job",
        pipeline_task_name="pipeline",
        error_code=None,
        error_message=None,
    )
    page = dsl.HTML(name="page", uri=str(tmp_path / "page.html"))
    report.python_func(
        spec=artifact(tiny_spec, tmp_path).uri, product=tiny_spec.name, services=services, status=status, page=page
    )
    assert {"report/index.html", "report/drift.html"} <= set(ledger.read(tmp_path / "read").artifacts)


def test_the_report_of_a_pod_is_in_mlflow_alone_also_while_the_store_is_silent(
    tiny_spec: Spec,
    services: dict[str, str],
    bucket: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """On a cluster no folder outlives the pod; the spec is read from its address, which is no path of the pod."""
    (tmp_path / "pod").mkdir()
    monkeypatch.chdir(tmp_path / "pod")
    monkeypatch.setenv("FEAST_REGISTRY", "postgresql+psycopg://nobody@127.0.0.1:1/feast")
    monkeypatch.setenv("FEAST_REDIS", "127.0.0.1:1,retry=null")
    store = STORE.with_name("feature_store.cluster.yaml")
    services |= {"target": "cluster", "storage": bucket, "feature_store": str(store)}
    page, spec = dsl.HTML(name="page", uri=str(tmp_path / "page.html")), write_spec(tiny_spec, join(bucket, "specs"))
    status = dsl.PipelineTaskFinalStatus("FAILED", "job", "pipeline", 1, "a pod was lost")
    report.python_func(spec=spec, product=tiny_spec.name, services=services, status=status, page=page)
    record = Ledger(services["tracking_uri"], services["run"], tiny_spec.name).read(tmp_path / "read")
    assert capsys.readouterr().out.splitlines()[-1] == f"| Report: runs:/{record.mlflow_run}/report/index.html"
    assert record.artifacts["report/index.html"].read_bytes() == Path(page.path).read_bytes()
    assert names(bucket) == ["specs"]
    assert not list((tmp_path / "pod").rglob("*"))
    assert {path.name for path in (tmp_path / "state").iterdir()} == {"mlflow"}


def test_no_champion_is_an_error_with_the_next_step(tiny_spec: Spec, services: dict[str, str], tmp_path: Path) -> None:
    model = dsl.Model(name="model", uri=str(tmp_path / "model"))
    with pytest.raises(RegistryError, match="champion"):
        champion.python_func(spec=artifact(tiny_spec, tmp_path), services=services, model=model)
    assert not Path(model.path).exists()


def test_ingest_leaves_forgotten_members_out(tiny_spec: Spec, services: dict[str, str], tmp_path: Path) -> None:
    """In all tables, and the oracle's rows of their impressions."""
    shown, salt = tiny_spec.impressions, b"salt"
    notes = open_notes(STORE, tmp_path / "state", project_of(tiny_spec.name))
    notes.write(NOTE, document(Forgotten("member_id", salt, frozenset({digest(7, salt)}))))
    tables, page = dsl.Dataset(name="tables", uri=str(tmp_path / "tables")), dsl.Markdown(uri=str(tmp_path / "in.md"))
    spec, given = dsl.Artifact(name="resolved", uri=str(tmp_path / "resolved")), artifact(tiny_spec, tmp_path)
    ingest.python_func(spec=given, services=services, data="", tables=tables, resolved=spec, summary=page)
    found = read_manifest(Path(tables.path))["tables"]
    impressions = pq.read_table(Path(tables.path) / f"{shown.table}.parquet")
    members = set(impressions[shown.member.column].to_pylist())
    assert 7 not in members
    assert 8 in members
    assert found[shown.table]["dropped"][REASON] > 0
    assert tiny_spec.oracle is not None
    assert found[tiny_spec.oracle.table]["rows"] == found[shown.table]["rows"]
    for name in found:
        table = pq.read_table(Path(tables.path) / f"{name}.parquet")
        for column in member_columns(tiny_spec, name):
            assert 7 not in table[column].to_pylist()


@pytest.mark.parametrize("pipeline", ["training", "comparison", "act", "refresh", "monitoring"])
def test_one_class_in_a_window_is_refused_where_a_training_may_follow(
    pipeline: str, services: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_adapter(monkeypatch, lambda spec, data: small_tables())
    outputs = {
        "tables": dsl.Dataset(name="tables", uri=str(tmp_path / "tables")),
        "resolved": dsl.Artifact(name="resolved", uri=str(tmp_path / "resolved")),
        "summary": dsl.Markdown(name="summary", uri=str(tmp_path / "summary.md")),
    }
    given = {"spec": artifact(small_spec(), tmp_path), "services": {**services, "pipeline": pipeline}, "data": ""}
    if pipeline in ("refresh", "monitoring"):
        ingest.python_func(**given, **outputs)
        return
    with pytest.raises(SourceError, match=r"window train .*task click: expected rows of both classes; found 1 rows"):
        ingest.python_func(**given, **outputs)
    assert not (tmp_path / "tables").exists()
