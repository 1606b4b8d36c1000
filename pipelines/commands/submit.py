"""``python -m pipelines submit``: a run, or a recurring run, on a cluster."""

import argparse
from pathlib import Path
from typing import Any

from components.services import Services
from pipelines.catalogue import PIPELINES
from pipelines.commands.values import add_canary, labels, tolerations
from pipelines.cron import Cron
from pipelines.submit import Cluster, submit


def add_submit(commands: Any) -> None:
    """Add the command to argparse's sub-commands."""
    send = commands.add_parser("submit", help="create a run, or with --cron a recurring run, on a cluster")
    send.add_argument("--pipeline", choices=PIPELINES, default="training")
    send.add_argument("--spec", type=Path, required=True)
    send.add_argument("--data", default="", help="address of the raw data, readable from the pods")
    send.add_argument(
        "--specs", default="", help="address to upload the spec to: s3://, gs:// or minio://bucket/folder"
    )
    send.add_argument("--host", required=True, help="address of the Kubeflow Pipelines API")
    send.add_argument("--tracking-uri", required=True, help="address of MLflow")
    send.add_argument(
        "--feature-store",
        default="feature_repo/feature_store.cluster.yaml",
        help="path of feature_store.yaml in the image",
    )
    send.add_argument("--state", default="state", help="scratch folder in the pods")
    send.add_argument("--experiment", default="heliograph")
    send.add_argument(
        "--run-name", help="KFP's name of the run; with --cron it replaces the recurring run of that name"
    )
    send.add_argument("--cron", help="make it recur at these times, for example '0 3 * * *'")
    send.add_argument("--accelerator", default="nvidia.com/gpu")
    send.add_argument("--accelerator-count", type=int, default=1)
    send.add_argument("--node-selector", type=labels, default={}, help="node selector of the GPU pool, as JSON")
    send.add_argument("--tolerations", type=tolerations, default=[], help="tolerations of the GPU pool, as a JSON list")
    add_canary(send)
    send.set_defaults(run=_submit)


def _submit(options: argparse.Namespace) -> int:
    services = Services(
        run="",
        tracking_uri=options.tracking_uri,
        feature_store=options.feature_store,
        storage=options.state,
        pipeline=options.pipeline,
    )
    cron = Cron.parse(options.cron) if options.cron is not None else None
    cluster = Cluster(options.host, options.specs, options.experiment, options.run_name, cron)
    parameters = {}
    if options.pipeline == "training":
        parameters = {
            "accelerator": options.accelerator,
            "accelerator_count": str(options.accelerator_count),
            "node_selector": options.node_selector,
            "tolerations": options.tolerations,
            "canary_percent": options.canary_percent,
        }
    print(submit(options.pipeline, options.spec, options.data, cluster, services, parameters))
    return 0
