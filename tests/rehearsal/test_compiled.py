from typing import Any

import pytest
import yaml

from pipelines.catalogue import compile_pipeline
from tests.rehearsal.compiled import Compiled, CompiledError, environment, pod, quantity
from tests.rehearsal.conftest import executor

SECRETS = {"heliograph": {"FEAST_REGISTRY": "postgresql://", "FEAST_REDIS": "redis:6379"}}
RUN = {"metadata.labels['pipeline/runid']": "run-1"}


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    path = compile_pipeline("training", tmp_path_factory.mktemp("compiled") / "training.yaml")
    return Compiled(*yaml.safe_load_all(path.read_text(encoding="utf-8")))


def test_user_limits_mounts_and_time_are_those_of_the_compiled_pipeline(training: Compiled) -> None:
    found = pod(training, "exec-ingest", {})
    assert (found.user, found.group) == (1000, 1000)
    assert found.memory is not None
    assert found.memory >= 10**9
    assert found.cpus
    assert found.seconds
    assert "/tmp" in found.volumes


def test_the_environment_is_the_secret_and_the_run(training: Compiled) -> None:
    values = environment(pod(training, "exec-ingest", {}), SECRETS, RUN)
    assert values["FEAST_REDIS"] == "redis:6379"
    assert values["HELIOGRAPH_RUN"] == "run-1"
    assert "AWS_ENDPOINT_URL" not in values  # optional, and not in the secret


def test_a_key_that_the_secret_lacks_keeps_the_pod_from_starting(training: Compiled) -> None:
    with pytest.raises(CompiledError, match="FEAST_REGISTRY: expected the key FEAST_REGISTRY"):
        environment(pod(training, "exec-ingest", {}), {}, RUN)


def one(settings: dict[str, Any], **container: Any) -> Compiled:
    """A pipeline of one executor with these settings of its pod."""
    made = executor()
    made["container"] |= container
    platform = {"platforms": {"kubernetes": {"deploymentSpec": {"executors": {"exec-a": settings}}}}}
    return Compiled({"deploymentSpec": {"executors": {"exec-a": made}}}, platform)


def test_a_setting_that_is_not_known_is_refused() -> None:
    with pytest.raises(CompiledError, match="found pvcMount"):
        pod(one({"pvcMount": []}), "exec-a", {})


def test_settings_that_name_parameters_get_their_values() -> None:
    named = {"componentInputParameter": "pipelinechannel--secret"}
    secret = {"secretName": "", "secretNameParameter": named, "keyToEnv": [{"secretKey": "k", "envVar": "K"}]}
    found = pod(
        one({"secretAsEnv": [secret]}, resources={"resourceMemoryLimit": "{{$.inputs.parameters['memory']}}"}),
        "exec-a",
        {"pipelinechannel--secret": "own", "memory": "2Gi"},
    )
    assert found.secrets == (("own", "k", "K", False),)
    assert found.memory == 2 << 30


def test_a_pod_without_settings_gets_nothing() -> None:
    found = pod(one({}), "exec-a", {})
    assert (found.user, found.volumes, found.secrets, found.memory) == (None, (), (), None)


@pytest.mark.parametrize(("text", "value"), [("500m", 0.5), ("16G", 16e9), ("1Gi", 2**30), ("2", 2)])
def test_quantities(text: str, value: float) -> None:
    assert quantity(text) == value


@pytest.mark.parametrize("text", ["", "1Q", "G", "-1"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(CompiledError, match="expected a quantity"):
        quantity(text)
