"""What `submit` says of the GPU pool and of a training on several nodes."""

import json
from pathlib import Path

from components.image import TRAIN_IMAGE
from components.train_job import Nodes
from pipelines.settings import DEFAULTS
from tests.pipelines.cluster import Cluster
from tests.pipelines.test_submit import bucket, cluster, send

__all__ = ["bucket", "cluster"]


def test_the_pool_is_that_of_steps_with_a_gpu_in_other_pipelines_too(cluster: Cluster, bucket: Path) -> None:
    assert send(cluster, "--pipeline", "refresh") == 0
    assert send(cluster, "--pipeline", "comparison") == 0
    bodies = [json.loads(body) for method, path, body in cluster.seen if method == "POST" and "/runs" in path]
    refresh, comparison = (body["runtime_config"]["parameters"] for body in bodies)
    assert (refresh["node_selector"], refresh["accelerator"]) == ({"pool": "h100"}, "nvidia.com/gpu")
    assert not {"node_selector", "accelerator_count"} & set(comparison)


def test_act_may_train_too_and_acts_as_it_is_told(cluster: Cluster, bucket: Path) -> None:
    assert send(cluster, "--pipeline", "act", "--for-real", "--trainer-runtime", "heliograph-torch") == 0
    assert send(cluster, "--pipeline", "act", "--cron", "0 5 * * *") == 0
    assert send(cluster, "--ignore-freeze") == 0
    bodies = [json.loads(body) for method, _, body in cluster.seen if method == "POST" and body]
    told, recurring, training = (body["runtime_config"]["parameters"] for body in bodies if "runtime_config" in body)
    assert (told["mode"], told["trainer"]["runtime"]) == ("on", "heliograph-torch")
    assert "canary_percent" not in told
    assert ("mode" in recurring, recurring["trainer"]) == (False, {})
    assert (training["ignore_freeze"], training["canary_percent"]) == (True, 10)


def test_a_training_on_several_nodes_is_a_parameter_and_its_step_only_waits(
    cluster: Cluster, bucket: Path, tmp_path: Path
) -> None:
    resources = tmp_path / "resources.yaml"
    resources.write_text("evaluate: {memory: 24G}\n", encoding="utf-8")
    options = [
        "--resources",
        str(resources),
        "--trainer-runtime",
        "heliograph-torch",
        "--nodes",
        "2",
        "--queue",
        "gpus",
        "--accelerator-count",
        "8",
    ]
    assert send(cluster, *options, "--secret", "other", "--service-account", "heliograph-deploy") == 0
    (body,) = [body for method, path, body in cluster.seen if method == "POST" and "/runs" in path]
    run = json.loads(body)
    trainer = run["runtime_config"]["parameters"]["trainer"]
    task = DEFAULTS["train"]
    assert Nodes.of(trainer) == Nodes(
        runtime="heliograph-torch", nodes=2, image=TRAIN_IMAGE, secret="other", cpu=task.cpu, memory=task.memory,
        scratch=task.scratch, accelerators=8, shared_memory="2G", queue="gpus", service_account="heliograph-deploy",
        node_selector={"pool": "h100"}, tolerations=[{"key": "gpu", "operator": "Exists"}],
    )  # fmt: skip
    pipeline = run["pipeline_spec"]
    executors = pipeline.get("pipeline_spec", pipeline)["deploymentSpec"]["executors"]
    for step, memory in (("train", "4G"), ("refit", "24G")):
        limits = executors[f"exec-{step}"]["container"]["resources"]
        assert "accelerator" not in limits
        assert limits["resourceMemoryLimit"] == memory
