"""The real kfp.Client against a recording server on loopback."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from kfp import dsl

from components.specs import read_spec
from models.spec import load_spec
from pipelines.__main__ import main
from tests.pipelines.cluster import Cluster, serve

ROOT = Path(__file__).resolve().parent.parent.parent
SPEC = str(ROOT / "configs" / "professional.yaml")


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    yield from serve()


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """S3 goes through pyarrow's client; here a folder takes the place of the bucket."""
    import pyarrow.fs as arrow_fs

    (tmp_path / "bucket" / "specs").mkdir(parents=True)

    class Files:
        @staticmethod
        def from_uri(uri: str) -> tuple[arrow_fs.FileSystem, str]:
            assert uri.startswith("s3://bucket/specs/")
            path = uri.removeprefix("s3://").partition("?")[0]  # without the client's options
            return arrow_fs.SubTreeFileSystem(str(tmp_path), arrow_fs.LocalFileSystem()), path

    monkeypatch.setattr("pyarrow.fs.FileSystem", Files)
    return tmp_path / "bucket" / "specs"


def send(cluster: Cluster, *further: str) -> int:
    return main(
        [
            "submit", "--spec", SPEC, "--data", "s3://logs/raw", "--tracking-uri", "http://mlflow:5000",
            "--host", cluster.address,
            "--node-selector", '{"pool": "h100"}', "--tolerations", '[{"key": "gpu", "operator": "Exists"}]',
            "--canary-percent", "10", "--storage", "s3://bucket", *further,
        ]
    )  # fmt: skip


def test_the_run_carries_pipeline_and_parameters(
    cluster: Cluster, bucket: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert send(cluster) == 0
    assert "run r-42 created" in capsys.readouterr().out
    (body,) = [body for method, path, body in cluster.seen if method == "POST" and "/runs" in path]
    run = json.loads(body)
    parameters = run["runtime_config"]["parameters"]
    (file,) = bucket.iterdir()
    assert parameters["spec"] == f"s3://bucket/specs/{file.name}"
    assert parameters["product"] == "professional"
    assert read_spec(dsl.Artifact(uri=str(file))) == load_spec(SPEC)
    assert len(body) < 120_000  # without the spec; Argo takes a megabyte
    assert len(json.dumps(parameters)) < 1000
    assert parameters["services"]["tracking_uri"] == "http://mlflow:5000"
    assert parameters["data"] == "s3://logs/raw"
    assert parameters["node_selector"] == {"pool": "h100"}
    assert parameters["accelerator_count"] == "1"
    assert parameters["canary_percent"] == 10
    pipeline = run["pipeline_spec"]
    assert "train" in json.dumps(pipeline.get("pipeline_spec", pipeline)["deploymentSpec"])


def test_a_refusal_is_reported(cluster: Cluster, bucket: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cluster.status = 403
    assert send(cluster) == 1
    error = capsys.readouterr().err
    assert "127.0.0.1" in error
    assert "quota exceeded" in error


def test_no_cluster_is_reported(bucket: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "submit",
        "--spec",
        SPEC,
        "--storage",
        "s3://bucket",
        "--specs",
        "minio://bucket/specs",
        "--tracking-uri",
        "http://mlflow:5000",
        "--host",
        "http://127.0.0.1:9",
    ]
    assert main(arguments) == 1
    assert "expected a Kubeflow Pipelines API" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--specs", ""], r"--specs: expected an address of specs in an object store .* found ''"),
        (["--storage", "state"], r"--storage: expected an address of files that outlive a run .* found 'state'"),
        (["--storage", "s3://"], "--storage: expected an address"),
        (["--storage", "gs://bucket/x"], r"--storage: .* the images reach \(s3://\), .*; found 'gs://bucket/x'"),
        (["--storage", "minio://bucket/x"], r"--storage: .* the images reach \(s3://\)"),
        (["--data", "gs://bucket/x"], r"--data: .* the images reach \(s3://, minio://\), .*; found 'gs://bucket/x'"),
        (["--data", "hdfs://bucket/x"], "--data: expected an address of raw data"),
        (["--specs", "gs://bucket/x"], "--specs: expected an address of specs"),
        (["--pipeline-root", "gs://bucket/x"], "--pipeline-root: expected an address of artifacts"),
        (["--storage", "s3://key:secret@bucket"], "without a password; found 'bucket'"),
        (["--pipeline-root", "/tmp"], "--pipeline-root: expected an address of artifacts"),
        (["--namespace", "a.b"], "--namespace: expected the name of a Kubernetes object"),
        (["--service-account", "A"], "--service-account: expected the name of a Kubernetes object"),
        (["--resources", "/nowhere.yaml"], "/nowhere.yaml: .*no such file"),
        (["--token-file", "/nowhere"], "--token-file /nowhere: expected a file with a token"),
        (["--specs", "/tmp/specs"], "--specs: expected an address"),
        (["--specs", "s3://"], "--specs: expected an address"),
        (["--specs", "s3://key:secret@bucket/specs"], "without a password; found 'bucket/specs'"),
        (["--specs", "s3://bucket/specs?endpoint_override=x"], "--specs: expected an address"),
        (["--data", "s3://{{$.pipeline_job_uuid}}"], r"--data: expected a text without '\{\{', which is replaced"),
        (["--data", "/kfp-workspace/x"], "--data: expected a text without '/kfp-workspace'"),
        (["--data", "s3://a\nb"], "--data: expected a text of printable characters"),
        (["--data", "s3://" + "x" * 9000], "expected at most 8000 characters in total; found 9"),
        (["--data", "s3://\udcff"], "--data: expected a text of printable characters"),
        (["--run-name", "{{workflow.name}}"], "--run-name: expected"),
        (["--run-name", "a'b"], "--run-name: expected letters, digits"),
        (["--tracking-uri", "http://{{x}}"], "--tracking-uri: expected a text without"),
        (["--node-selector", '{"{{a}}": "b"}'], "--node-selector: expected a text without"),
        (["--tolerations", '[{"key": "{{$}}"}]'], "--tolerations: expected a text without"),
        (["--accelerator", "{{$}}"], "--accelerator: expected a text without"),
        (["--nodes", "2"], "--nodes: expected it with --trainer-runtime; found it alone"),
        (["--queue", "gpus"], "--queue: expected it with --trainer-runtime; found it alone"),
        (["--trainer-runtime", "A_b"], "--trainer-runtime: expected the name of a Kubernetes object"),
        (["--trainer-runtime", "a", "--queue", "a.b"], "--queue: expected the name of a Kubernetes object"),
        (
            ["--trainer-runtime", "a", "--pipeline", "refresh"],
            "--trainer-runtime: expected it with --pipeline training",
        ),
        (["--for-real"], "--for-real: expected it with --pipeline act; found training"),
        (["--ignore-freeze", "--pipeline", "act"], "--ignore-freeze: expected it with --pipeline training; found act"),
        (["--ignore-freeze", "--cron", "0 3 * * *"], "--ignore-freeze: expected it for one run; found it with --cron"),
    ],
)
def test_what_would_not_arrive_as_it_was_given_is_refused_before_anything_is_sent(
    arguments: list[str], message: str, cluster: Cluster, bucket: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert send(cluster, *arguments) == 1
    error = capsys.readouterr().err
    assert re.search(message, error)
    assert "secret" not in error
    assert cluster.seen == []
    assert not list(bucket.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--node-selector", "[]"], "expected a JSON object of strings such as"),
        (["--node-selector", '{"a": 1}'], "JSON object of strings"),
        (["--node-selector", '{"a": "1", "a": "2"}'], "every key once"),
        (["--node-selector", "pool=gpu"], "expected JSON; found"),
        (["--tolerations", '{"key": "gpu"}'], "a JSON list of objects"),
        (["--tolerations", "[1]"], "a JSON list of objects"),
        (["--accelerator-count", "-1"], "expected a whole number of GPUs of one node, 0 to 64; found '-1'"),
        (["--accelerator-count", "1.5"], "expected a whole number of GPUs"),
        (["--accelerator-count", "65"], "expected a whole number of GPUs"),
        (["--nodes", "0"], "expected a whole number of nodes, 1 to 64; found '0'"),
        (["--nodes", "-2"], "expected a whole number of nodes"),
    ],
)
def test_a_pool_that_is_not_what_a_cluster_takes_is_refused(
    arguments: list[str], message: str, cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        send(cluster, *arguments)
    assert message in capsys.readouterr().err


def test_a_store_that_takes_nothing_is_reported(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuses(*_: object) -> None:
        raise OSError("Access Denied")

    monkeypatch.setattr("pipelines.submit.arguments", refuses)
    assert send(cluster) == 1
    assert (
        "--specs s3://bucket/specs: expected a place that this machine can write to; found OSError: Access Denied"
        in (capsys.readouterr().err)
    )
    assert cluster.seen == []


def recur(cluster: Cluster, *further: str) -> int:
    return send(cluster, "--cron", "30 3 * * 1-5", *further)


def test_a_recurring_run_carries_pipeline_parameters_and_fire_times(
    cluster: Cluster, bucket: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert recur(cluster) == 0
    ((number, created),) = cluster.recurring.items()
    assert created["display_name"] == "professional-training"
    assert created["trigger"]["cron_schedule"]["cron"] == "0 30 3 * * mon,tue,wed,thu,fri"
    assert (created["max_concurrency"], created["no_catchup"], created["mode"]) == (1, True, "ENABLE")
    assert created["experiment_id"] == "e-1"
    parameters = created["runtime_config"]["parameters"]
    assert parameters["services"]["run"] == ""
    assert parameters["services"]["pipeline"] == "training"
    assert parameters["spec"].startswith("s3://bucket/specs/")
    pipeline = created["pipeline_spec"]
    assert "train" in json.dumps(pipeline.get("pipeline_spec", pipeline)["deploymentSpec"])
    printed = capsys.readouterr().out
    assert f"{cluster.address}/#/recurringrun/details/{number}" in printed
    assert "'0 30 3 * * mon,tue,wed,thu,fri'" in printed


def test_the_same_name_replaces_and_never_two_are_enabled(
    cluster: Cluster, bucket: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    others = [f"other-{number}" for number in range(3)]
    for name in others:
        assert recur(cluster, "--run-name", name) == 0
    assert recur(cluster) == 0
    (old,) = [number for number, one in cluster.recurring.items() if one["display_name"] == "professional-training"]
    cluster.seen.clear()
    cluster.enabled_at_once = 0
    for number, one in cluster.recurring.items():
        one["mode"] = "ENABLE" if number == old else "DISABLE"
    assert send(cluster, "--cron", "0 4 * * *") == 0
    named = {one["display_name"]: number for number, one in cluster.recurring.items()}
    new = named["professional-training"]
    assert sorted(named) == sorted([*others, "professional-training"])
    assert new != old
    assert cluster.enabled_at_once == 1
    created, deleted, enabled = cluster.changes()
    assert created == "POST /apis/v2beta1/recurringruns"
    assert deleted == f"DELETE /apis/v2beta1/recurringruns/{old}"
    assert enabled == f"POST /apis/v2beta1/recurringruns/{new}:enable"
    assert "in place of 1 of the same name" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("refused", "enabled"),
    [("POST /apis/v2beta1/recurringruns", ["old"]), ("DELETE", ["old"]), (":enable", [])],
)
def test_after_an_interrupted_replacement_at_most_one_is_enabled_and_the_command_completes_it(
    refused: str, enabled: list[str], cluster: Cluster, bucket: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert recur(cluster) == 0
    (old,) = cluster.recurring
    cluster.status, cluster.refuses = 503, refused
    assert recur(cluster) == 1
    assert "then repeat the command" in capsys.readouterr().err
    found = [number for number, one in cluster.recurring.items() if one["mode"] == "ENABLE"]
    assert found == [old for _ in enabled]
    cluster.status = 200
    assert recur(cluster) == 0
    ((number, last),) = cluster.recurring.items()
    assert last["mode"] == "ENABLE"
    assert number != old
    assert cluster.enabled_at_once == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--cron", "0 0 3 * * *"], "--cron: expected five fields .* found 6 in '0 0 3"),
        (["--cron", "60 3 * * *"], "--cron: expected for the minute .* found '60'"),
        (["--cron", "0 3 * * *", "--data", "s3://logs/[[Index]]"], r"--data: expected a text without '\[\['"),
        (["--cron", "0 3 * * *", "--run-name", "a b"], "--run-name: expected letters"),
    ],
)
def test_fire_times_and_texts_that_a_recurring_run_would_change_are_refused_before_anything_is_sent(
    arguments: list[str], message: str, cluster: Cluster, bucket: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert send(cluster, *arguments) == 1
    assert re.search(message, capsys.readouterr().err)
    assert cluster.seen == []


def test_what_recurring_runs_alone_replace_may_be_in_a_single_run(cluster: Cluster, bucket: Path) -> None:
    assert send(cluster, "--data", "s3://logs/[[Index]]") == 0
