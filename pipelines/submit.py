"""Submit a compiled pipeline to a Kubeflow Pipelines cluster, once or as a recurring run."""

import re
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components.services import Services
from models.spec import Spec
from models.storage import REMOTE
from pipelines.catalogue import arguments, compile_pipeline
from pipelines.cron import Cron
from pipelines.errors import SubmitError
from pipelines.local import load_checked_spec
from pipelines.parameters import check_parameters
from pipelines.recurring import replace_recurring_run

_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_OPTIONS = {
    **{"services.tracking_uri": "--tracking-uri", "services.storage": "--state"},
    **{"services.feature_store": "--feature-store", "spec": "--specs"},
    **{"data": "--data", "accelerator": "--accelerator"},
    **{"accelerator_count": "--accelerator-count", "node_selector": "--node-selector", "tolerations": "--tolerations"},
}
"""By parameter: the command-line option that sets it."""


@dataclass(frozen=True)
class Cluster:
    """Where a pipeline is sent, and as what."""

    host: str
    """Address of the Kubeflow Pipelines API."""
    specs: str
    """Address to upload the spec to."""
    experiment: str
    name: str | None = None
    """KFP's name of the run. By default the pipeline with the time, or ``<product>-<pipeline>`` if it recurs."""
    cron: Cron | None = None
    """When it recurs; None: it runs once, now."""


def submit(
    pipeline: str,
    spec_path: Path,
    data: str,
    cluster: Cluster,
    services: Services,
    parameters: dict[str, Any] | None = None,
) -> str:
    """Create a run of ``pipeline``, or a recurring one in place of that of the same name; return a line on it.

    ``parameters``: the pipeline's further arguments, such as the GPU pool. Raises SpecError, RunError if the spec's
    adapter refuses it, ParameterError, or SubmitError if the cluster or the object store refuses the run.
    """
    import kfp
    import kfp_server_api
    import urllib3

    spec = load_checked_spec(spec_path)
    recurs, name = cluster.cron is not None, _name(cluster, pipeline, spec)
    given = {"services": services.to_json(), "data": data, "specs": cluster.specs, **(parameters or {})}
    check_parameters(given, _OPTIONS | {"specs": "--specs"}, recurs)
    values = {**_upload(spec, services, data, cluster.specs), **(parameters or {})}
    check_parameters(values, _OPTIONS, recurs)
    address = cluster.host.rstrip("/")
    try:
        client = kfp.Client(host=cluster.host)
        with tempfile.TemporaryDirectory() as folder:
            compiled = compile_pipeline(pipeline, Path(folder) / "pipeline.yaml")
            if cluster.cron is not None:
                experiment = client.create_experiment(cluster.experiment)
                found = replace_recurring_run(client, experiment.experiment_id, name, cluster.cron, compiled, values)
                return f"recurring run {name}: {found}; see {address}/#/recurringrun/details/{found.id}"
            run = client.create_run_from_pipeline_package(
                str(compiled), arguments=values, run_name=name, experiment_name=cluster.experiment
            )
    except (kfp_server_api.ApiException, urllib3.exceptions.HTTPError, ConnectionError, RuntimeError) as error:
        raise SubmitError(
            f"{cluster.host}: expected a Kubeflow Pipelines API that accepts the run; found {type(error).__name__}: "
            f"{error}. Check --host (for example http://localhost:8888 after a port-forward) and the cluster's log"
            + (", then repeat the command, which also completes a replacement." if recurs else ".")
        ) from error
    return f"run {run.run_id} created; see {address}/#/runs/details/{run.run_id}"


def _name(cluster: Cluster, pipeline: str, spec: Spec) -> str:
    """KFP's name of the run."""
    if cluster.name is None:
        return f"{spec.name}-{pipeline}" if cluster.cron else f"{pipeline}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    if not _RUN.fullmatch(cluster.name):
        raise SubmitError(f"--run-name: expected letters, digits and _ . -, 100 at most; found {cluster.name!r:.120}")
    return cluster.name


def _upload(spec: Spec, services: Services, data: str, specs: str) -> dict[str, Any]:
    """Upload the spec to ``specs``; return the pipeline's arguments."""
    bucket = specs.split("://")[-1].split("/")[0]
    if not specs.startswith(REMOTE) or not bucket or "@" in bucket or any(mark in specs for mark in "?#"):
        raise SubmitError(
            f"--specs: expected an address that the cluster can read artifacts from ({', '.join(REMOTE)}) and this "
            f"machine can write to, such as s3://bucket/specs, without a password; found {specs.split('@')[-1]!r:.120}"
        )
    try:
        return arguments(spec, services.to_json(), data, specs)
    except (OSError, ValueError) as error:
        raise SubmitError(
            f"--specs {specs}: expected a place that this machine can write to; found {type(error).__name__}: {error}. "
            "Check the bucket and the credentials in the environment (AWS_ENDPOINT_URL for a store other than AWS)."
        ) from error
