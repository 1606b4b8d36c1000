"""``python -m pipelines submit``: a run, or a recurring run, on a cluster."""

import argparse
from pathlib import Path
from typing import Any

from components.services import CLUSTER, EMBEDDED, Services
from pipelines.catalogue import PIPELINES, READ_ONLY
from pipelines.commands.values import add_canary, add_settings, labels, settings, token, tolerations
from pipelines.cron import Cron
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
    add_canary(send)
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
    """Options on the nodes that train."""
    send.add_argument("--accelerator", default="nvidia.com/gpu")
    send.add_argument("--accelerator-count", type=int, default=1)
    send.add_argument("--node-selector", type=labels, default={}, help="node selector of the GPU pool, as JSON")
    send.add_argument("--tolerations", type=tolerations, default=[], help="tolerations of the GPU pool, as a JSON list")


def _submit(options: argparse.Namespace) -> int:
    check_tracking(options.tracking_uri)
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
        settings=settings(options),
    )
    print(submit(options.pipeline, options.spec, options.data, cluster, services, _parameters(options)))
    return 0


def _parameters(options: argparse.Namespace) -> dict[str, Any]:
    """The arguments of the training pipeline that others do not have."""
    if options.pipeline != "training":
        return {}
    return {
        "accelerator": options.accelerator,
        "accelerator_count": str(options.accelerator_count),
        "node_selector": options.node_selector,
        "tolerations": options.tolerations,
        "canary_percent": options.canary_percent,
    }
