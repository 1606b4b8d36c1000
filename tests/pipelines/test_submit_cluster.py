"""Options of a submission on the cluster: namespace, service account, artifacts, token, storage, scratch store."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.__main__ import main
from pipelines.catalogue import PIPELINES
from tests.pipelines.cluster import RECURRING, Cluster, serve

SPEC = str(Path(__file__).resolve().parent.parent.parent / "configs" / "professional.yaml")
TOKEN = "eyJ-a-token-that-nobody-prints"


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    yield from serve()


@pytest.fixture(autouse=True)
def uploaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Where specs were uploaded to, instead of an upload."""
    found: list[str] = []

    def write(spec: object, folder: str) -> str:
        found.append(folder)
        return f"{folder}/0.json"

    monkeypatch.setattr("pipelines.catalogue.write_spec", write)
    monkeypatch.delenv("HELIOGRAPH_KFP_TOKEN", raising=False)
    return found


def send(cluster: Cluster, *further: str) -> int:
    services = ["--tracking-uri", "http://mlflow:5000", "--storage", "s3://bucket/heliograph/"]
    return main(["submit", "--spec", SPEC, "--host", cluster.address, *services, *further])


def run_of(cluster: Cluster) -> dict[str, Any]:
    """The newest run that was created."""
    bodies = [body for method, path, body in cluster.seen if (method, path.split("?")[0]) == ("POST", RUNS)]
    found: dict[str, Any] = json.loads(bodies[-1])
    return found


RUNS = "/apis/v2beta1/runs"
WHERE = ["--namespace", "team-a", "--service-account", "heliograph-train", "--pipeline-root", "s3://bucket/artifacts"]


@pytest.mark.parametrize(
    ("option", "given"),
    [("--tracking-uri", "https://me:not-for-all@mlflow"), ("--endpoint", '{"mode": "Standard"}')],
)
def test_what_would_end_the_last_step_is_refused_before_the_first(
    cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, given: str
) -> None:
    file = tmp_path / "endpoint.json"
    file.write_text(given, encoding="utf-8")
    assert send(cluster, option, str(file) if option == "--endpoint" else given) == 1
    printed = capsys.readouterr().err
    assert option in printed
    assert "not-for-all" not in printed
    assert not cluster.seen


def test_a_product_whose_service_kubernetes_would_refuse_is_refused(
    cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = Path(SPEC).read_text(encoding="utf-8")
    assert "name: professional\n" in text
    (tmp_path / "spec.yaml").write_text(text.replace("name: professional\n", "name: news_\n", 1), encoding="utf-8")
    assert send(cluster, "--spec", str(tmp_path / "spec.yaml")) == 1
    assert "name: expected one that ends with a letter or a digit" in capsys.readouterr().err
    assert not cluster.seen
    assert send(cluster, "--spec", str(tmp_path / "spec.yaml"), "--pipeline", "refresh") == 0


def test_a_run_has_its_namespace_account_and_artifacts(cluster: Cluster) -> None:
    assert send(cluster, *WHERE) == 0
    run = run_of(cluster)
    assert run["experiment_id"] == "e-team-a"
    assert run["service_account"] == "heliograph-train"
    assert run["runtime_config"]["pipeline_root"] == "s3://bucket/artifacts"


def test_a_recurring_run_too_and_only_those_of_the_namespace_are_replaced(cluster: Cluster) -> None:
    assert send(cluster, "--cron", "0 3 * * *", *WHERE) == 0
    ((_, created),) = cluster.recurring.items()
    assert (created["experiment_id"], created["service_account"]) == ("e-team-a", "heliograph-train")
    assert created["runtime_config"]["pipeline_root"] == "s3://bucket/artifacts"
    listed = [path for method, path, _ in cluster.seen if method == "GET" and path.startswith(RECURRING)]
    assert listed
    assert all("namespace=team-a" in path for path in listed)


def test_without_these_options_kfp_chooses(cluster: Cluster) -> None:
    assert send(cluster) == 0
    run = run_of(cluster)
    assert run["experiment_id"] == "e-1"
    assert not run.get("service_account")
    assert not run["runtime_config"].get("pipeline_root")
    assert set(cluster.tokens) == {None}


@pytest.mark.parametrize("given", ["file", "environment", "both"])
@pytest.mark.parametrize("cron", [[], ["--cron", "0 3 * * *"]])
def test_every_request_carries_the_token_and_nothing_prints_it(
    given: str,
    cron: list[str],
    cluster: Cluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    further = list(cron)
    if given != "file":
        monkeypatch.setenv("HELIOGRAPH_KFP_TOKEN", TOKEN if given == "environment" else "another")
    if given != "environment":
        (tmp_path / "token").write_text(TOKEN + "\n", encoding="ascii")
        further += ["--token-file", str(tmp_path / "token")]
    assert send(cluster, *further) == 0
    assert set(cluster.tokens) == {f"Bearer {TOKEN}"}
    cluster.status = 403
    assert send(cluster, *further) == 1
    captured = capsys.readouterr()
    assert "quota exceeded" in captured.err
    assert TOKEN not in captured.out + captured.err


@pytest.mark.parametrize("text", ["", "two words", "a\x00b"])
def test_what_is_no_token_is_refused(
    text: str, cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "token").write_text(text, encoding="ascii")
    assert send(cluster, "--token-file", str(tmp_path / "token")) == 1
    error = capsys.readouterr().err
    assert "expected one token of printable ASCII characters; found something else" in error
    assert cluster.seen == []


def test_what_is_sent_has_the_settings_of_the_command(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "resources.yaml").write_text("train: {memory: 64Gi}\n", encoding="utf-8")
    assert send(cluster, "--resources", str(tmp_path / "resources.yaml"), "--secret", "other") == 0
    sent = json.dumps(run_of(cluster)["pipeline_spec"])
    assert '"resourceMemoryLimit": "64Gi"' in sent
    assert '"secretName": "other"' in sent
    assert '"secretName": "heliograph"' not in sent


def test_the_steps_open_the_clusters_feature_store(cluster: Cluster) -> None:
    assert send(cluster) == 0
    services = run_of(cluster)["runtime_config"]["parameters"]["services"]
    assert services["feature_store"] == "feature_repo/feature_store.cluster.yaml"


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_a_pipeline_that_only_looks_has_a_feature_store_of_its_own(pipeline: str, cluster: Cluster) -> None:
    assert send(cluster, "--pipeline", pipeline) == 0
    services = run_of(cluster)["runtime_config"]["parameters"]["services"]
    assert services["scratch"] is (pipeline in ("monitoring", "comparison"))


@pytest.mark.parametrize(
    ("options", "specs", "target"),
    [
        ([], "s3://bucket/heliograph/specs", "cluster"),
        (["--specs", "minio://other/specs", "--target", "embedded"], "minio://other/specs", "embedded"),
    ],
)
def test_storage_is_where_specs_go_unless_another_address_is_given(
    options: list[str], specs: str, target: str, cluster: Cluster, uploaded: list[str]
) -> None:
    assert send(cluster, *options) == 0
    services = run_of(cluster)["runtime_config"]["parameters"]["services"]
    assert (services["storage"], services["target"]) == ("s3://bucket/heliograph", target)
    assert uploaded == [specs]


def test_two_submissions_of_a_spec_give_its_steps_the_same_inputs(cluster: Cluster) -> None:
    """Else KFP would never find a step's outputs in its cache."""
    runs = []
    for _ in range(2):
        assert send(cluster) == 0
        run = run_of(cluster)
        runs.append((run["runtime_config"]["parameters"], run["pipeline_spec"]))
    assert runs[0] == runs[1]
    assert runs[0][0]["services"]["run"] == ""


def test_storage_is_required(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["submit", "--spec", SPEC, "--host", cluster.address, "--tracking-uri", "http://mlflow:5000"])
    assert "--storage" in capsys.readouterr().err
