"""``python -m pipelines submit``: a run, or a recurring run, on a cluster."""

import argparse
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from components.image import TRAIN_IMAGE
from components.services import CLUSTER, EMBEDDED, Services
from components.train_job import Nodes
from pipelines.catalogue import PIPELINES, READ_ONLY, TRAINS
from pipelines.commands.values import (
    accelerators,
    acting,
    add_acting,
    add_canary,
    add_settings,
    labels,
    nodes,
    settings,
    token,
    tolerations,
)
from pipelines.cron import Cron
from pipelines.errors import SettingsError
from pipelines.settings import ClusterSettings, check_name
from pipelines.submit import Cluster, submit
from serving.deployment.cluster_settings import add_endpoint, check_tracking, endpoint_of


def add_submit(commands: Any) -> None:
    """Add the command to argparse's sub-commands."""
    send = commands.add_parser("submit", help="create a run, or with --cron a recurring run, on a cluster")
    send.add_argument("--pipeline", choices=PIPELINES, default="training")
    send.add_argument("--spec", type=Path, required=True)
    send.add_argument("--data", default="", help="address of the raw data, such as s3://bucket/folder")
    _add_kfp(send)
    _add_services(send)
    add_settings(send)
    _add_gpu_pool(send)
    _add_train_job(send)
    add_canary(send)
    add_acting(send)
    send.set_defaults(run=_submit)


def _add_kfp(send: argparse.ArgumentParser) -> None:
    """Options on Kubeflow Pipelines and the run in it."""
    send.add_argument("--host", required=True, help="address of the Kubeflow Pipelines API")
    send.add_argument("--token-file", type=Path, help="file with a token for that API (else HELIOGRAPH_KFP_TOKEN)")
    send.add_argument("--namespace", help="of the run, where Kubeflow Pipelines serves several users")
    send.add_argument("--service-account", help="of the run's pods (default: that of Kubeflow Pipelines)")
    send.add_argument("--pipeline-root", help="address of the run's artifacts (default: that of Kubeflow Pipelines)")
    send.add_argument("--experiment", default="heliograph")
    send.add_argument(
        "--run-name", help="KFP's name of the run; with --cron it replaces the recurring run of that name"
    )
    send.add_argument("--cron", help="make it recur at these times, for example '0 3 * * *'")


def _add_services(send: argparse.ArgumentParser) -> None:
    """Options on the services that the steps use."""
    send.add_argument(
        "--storage",
        required=True,
        help="address of files that outlive a run: s3://bucket/folder (S3, or what is at AWS_ENDPOINT_URL)",
    )
    send.add_argument("--specs", help="address to upload the spec to (default: the folder specs of --storage)")
    send.add_argument("--tracking-uri", required=True, help="address of MLflow, which proxies its artifacts")
    send.add_argument(
        "--feature-store",
        default="feature_repo/feature_store.cluster.yaml",
        help="path of feature_store.yaml in the image",
    )
    send.add_argument(
        "--target", choices=(CLUSTER, EMBEDDED), default=CLUSTER, help="where versions are deployed (default: cluster)"
    )
    add_endpoint(send)


def _add_gpu_pool(send: argparse.ArgumentParser) -> None:
    """Options on the nodes that train, and those of steps that `--resources` gives a GPU."""
    send.add_argument("--accelerator", default="nvidia.com/gpu")
    send.add_argument("--accelerator-count", type=accelerators, default="1", help="GPUs that train, 0: none")
    send.add_argument("--node-selector", type=labels, default={}, help="node selector of the GPU pool, as JSON")
    send.add_argument("--tolerations", type=tolerations, default=[], help="tolerations of the GPU pool, as a JSON list")


def _add_train_job(send: argparse.ArgumentParser) -> None:
    """Options on a training over several nodes."""
    summary = (
        "train as a TrainJob of Kubeflow Trainer, on this ClusterTrainingRuntime; the GPUs are then those of a node"
    )
    send.add_argument("--trainer-runtime", metavar="NAME", help=summary)
    send.add_argument("--nodes", type=nodes, metavar="N", help="nodes of the TrainJob (default: 1)")
    send.add_argument("--queue", metavar="NAME", help="Kueue's local queue of the TrainJob (default: none)")


def _trainer(options: argparse.Namespace, given: ClusterSettings) -> dict[str, Any]:
    """The parameter ``trainer``; empty without --trainer-runtime. Raises SettingsError."""
    if options.trainer_runtime is None:
        for option in ("nodes", "queue"):
            if getattr(options, option) is not None:
                raise SettingsError(f"--{option}: expected it with --trainer-runtime; found it alone. Give both")
        return {}
    if options.pipeline not in TRAINS:
        raise SettingsError(
            f"--trainer-runtime: expected it with --pipeline {' or '.join(TRAINS)}; found {options.pipeline}. "
            "Leave it out"
        )
    task = given.tasks["train"]
    found = Nodes(
        runtime=check_name("--trainer-runtime", options.trainer_runtime),
        nodes=options.nodes or 1,
        image=TRAIN_IMAGE,
        secret=given.secret,
        cpu=task.cpu,
        memory=task.memory,
        scratch=task.scratch,
        accelerator=options.accelerator,
        accelerators=int(options.accelerator_count),
        shared_memory=task.shared_memory,
        queue="" if options.queue is None else check_name("--queue", options.queue, label=True),
        service_account=options.service_account or "",
        node_selector=options.node_selector,
        tolerations=options.tolerations,
    )
    return asdict(found)


def _with_train_jobs(given: ClusterSettings) -> ClusterSettings:
    """The settings of a run that trains as TrainJobs: the pod of `train` only waits, that of `refit` also scores the
    day that checks the refit, as `evaluate` scores its windows.
    """
    scores = given.tasks["evaluate"]
    waits = given.tasks["train"].model_copy(update={"cpu": 1.0, "memory": "4G", "shared_memory": None})
    checks = given.tasks["refit"].model_copy(update={"cpu": scores.cpu, "memory": scores.memory, "shared_memory": None})
    return replace(given, tasks={**given.tasks, "train": waits, "refit": checks}, train_jobs=True)


def _submit(options: argparse.Namespace) -> int:
    check_tracking(options.tracking_uri)
    own = settings(options)
    trainer = _trainer(options, own)
    services = Services(
        run="",
        tracking_uri=options.tracking_uri,
        feature_store=options.feature_store,
        storage=options.storage.rstrip("/"),
        scratch=options.pipeline in READ_ONLY,
        pipeline=options.pipeline,
        target=options.target,
        endpoint=endpoint_of(options) if options.target == CLUSTER else {},
    )
    cluster = Cluster(
        host=options.host,
        specs=f"{services.storage}/specs" if options.specs is None else options.specs,
        experiment=options.experiment,
        name=options.run_name,
        cron=Cron.parse(options.cron) if options.cron is not None else None,
        namespace=options.namespace,
        service_account=options.service_account,
        pipeline_root=options.pipeline_root,
        token=token(options.token_file),
        settings=_with_train_jobs(own) if trainer else own,
    )
    print(submit(options.pipeline, options.spec, options.data, cluster, services, _parameters(options, trainer)))
    return 0


def _parameters(options: argparse.Namespace, trainer: dict[str, Any]) -> dict[str, Any]:
    """The arguments that not all pipelines have. Raises SettingsError."""
    if options.ignore_freeze and options.cron is not None:
        raise SettingsError("--ignore-freeze: expected it for one run; found it with --cron. Leave one of them out")
    given = acting(options)
    if options.pipeline == "comparison":
        return given
    given |= {name: getattr(options, name) for name in ("accelerator", "node_selector", "tolerations")}
    if options.pipeline in TRAINS:
        given |= {"accelerator_count": options.accelerator_count, "trainer": trainer}
    if options.pipeline == "training":
        given["canary_percent"] = options.canary_percent
    return given
