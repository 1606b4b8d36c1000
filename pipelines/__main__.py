"""``python -m pipelines local|compile|submit``."""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import models.garbage  # noqa: F401 - first: what follows is imported faster
from components.services import Services
from models.documents import read_json
from models.spec import SpecError
from models.system import system_error
from pipelines.catalogue import PIPELINES, compile_pipeline
from pipelines.errors import RunError, SubmitError
from pipelines.local import run_local
from pipelines.parameters import ParameterError
from pipelines.submit import submit


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    options = _parser().parse_args(argv)
    try:
        return int(options.run(options))
    except (SpecError, RunError, SubmitError, ParameterError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; run the same command again to start over", file=sys.stderr)
        return 130
    except Exception as error:
        message = system_error(error)
        if message is None:
            raise
        print(f"error: {message}", file=sys.stderr)
        return 1


def _local(options: argparse.Namespace) -> int:
    parameters = {"canary_percent": options.canary_percent} if options.pipeline == "training" else {}
    run_local(options.pipeline, options.spec, options.data, options.state, parameters)
    return 0


def _compile(options: argparse.Namespace) -> int:
    for name in PIPELINES:
        print(compile_pipeline(name, options.folder / f"{name}.yaml"))
    return 0


def _submit(options: argparse.Namespace) -> int:
    services = Services(
        run=options.run_name or f"{options.pipeline}-{datetime.now(UTC):%Y%m%d-%H%M%S}",
        tracking_uri=options.tracking_uri,
        feature_store=options.feature_store,
        state=options.state,
        features=options.state,
    )
    parameters = {}
    if options.pipeline == "training":
        parameters = {
            "accelerator": options.accelerator,
            "accelerator_count": str(options.accelerator_count),
            "node_selector": options.node_selector,
            "tolerations": options.tolerations,
            "canary_percent": options.canary_percent,
        }
    run = submit(
        options.pipeline,
        options.spec,
        options.data,
        options.host,
        services,
        options.experiment,
        options.specs,
        parameters,
    )
    print(f"run {run} created; see {options.host.rstrip('/')}/#/runs/details/{run}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipelines", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="local|compile|submit")

    local = commands.add_parser("local", help="run a pipeline on this machine, in subprocesses")
    local.add_argument("--pipeline", choices=PIPELINES, default="training")
    local.add_argument("--spec", type=Path, default=Path("configs/professional.yaml"))
    local.add_argument("--data", type=Path, help="folder with the raw data, if the adapter needs one")
    local.add_argument("--state", type=Path, default=Path("state"), help="folder of the registry, stores and reports")
    _add_canary(local)
    local.set_defaults(run=_local)

    compiled = commands.add_parser("compile", help="write every pipeline as YAML for a cluster")
    compiled.add_argument("--folder", type=Path, default=Path("build/pipelines"))
    compiled.set_defaults(run=_compile)

    send = commands.add_parser("submit", help="create a run on a Kubeflow Pipelines cluster")
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
    send.add_argument("--run-name")
    send.add_argument("--accelerator", default="nvidia.com/gpu")
    send.add_argument("--accelerator-count", type=int, default=1)
    send.add_argument("--node-selector", type=_labels, default={}, help="node selector of the GPU pool, as JSON")
    send.add_argument(
        "--tolerations", type=_tolerations, default=[], help="tolerations of the GPU pool, as a JSON list"
    )
    _add_canary(send)
    send.set_defaults(run=_submit)
    return parser


def _add_canary(command: argparse.ArgumentParser) -> None:
    summary = "traffic share of a version that passes the gate (training only; default 0: promote it)"
    command.add_argument("--canary-percent", type=_percent, default=0, metavar="0..99", help=summary)


def _labels(text: str) -> dict[str, str]:
    """Parse a node selector: a JSON object of strings."""
    value = _json(text)
    if not isinstance(value, dict) or not all(isinstance(label, str) for label in value.values()):
        raise argparse.ArgumentTypeError(
            f'expected a JSON object of strings such as {{"pool": "gpu"}}; found {text!r:.80}'
        )
    return value


def _tolerations(text: str) -> list[dict[str, Any]]:
    """Parse tolerations: a JSON list of objects."""
    value = _json(text)
    if not isinstance(value, list) or not all(isinstance(toleration, dict) for toleration in value):
        raise argparse.ArgumentTypeError(
            f'expected a JSON list of objects such as [{{"key": "gpu", "operator": "Exists"}}]; found {text!r:.80}'
        )
    return value


def _json(text: str) -> Any:
    try:
        return read_json(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected JSON; found {text!r:.80} ({error})") from None


def _percent(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) < 100):
        raise argparse.ArgumentTypeError(f"expected a whole number, 0 to 99; found {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
