"""Submit a compiled pipeline to a Kubeflow Pipelines cluster."""

import re
import tempfile
from pathlib import Path
from typing import Any

from components.services import Services
from components.specs import REMOTE
from models.spec import Spec
from pipelines.catalogue import arguments, compile_pipeline
from pipelines.errors import SubmitError
from pipelines.local import load_checked_spec
from pipelines.parameters import check_parameters

_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_OPTIONS = {
    **{"services.run": "--run-name", "services.tracking_uri": "--tracking-uri", "services.state": "--state"},
    **{"services.feature_store": "--feature-store", "services.features": "--state", "spec": "--specs"},
    **{"data": "--data", "accelerator": "--accelerator"},
    **{"accelerator_count": "--accelerator-count", "node_selector": "--node-selector", "tolerations": "--tolerations"},
}
"""By parameter: the command-line option that sets it."""


def submit(
    pipeline: str,
    spec_path: Path,
    data: str,
    host: str,
    services: Services,
    experiment: str,
    specs: str,
    parameters: dict[str, Any] | None = None,
) -> str:
    """Create a run of ``pipeline`` at ``host``; return its id.

    ``parameters``: the pipeline's further arguments, such as the GPU pool. The spec is uploaded to the address
    ``specs``. Raises SpecError, RunError if the spec's adapter refuses it, ParameterError, or SubmitError if the
    cluster or the object store refuses the run.
    """
    import kfp
    import kfp_server_api
    import urllib3

    spec = load_checked_spec(spec_path)
    if not _RUN.fullmatch(services.run):
        raise SubmitError(f"--run-name: expected letters, digits and _ . -, 100 at most; found {services.run!r:.120}")
    given = {"services": services.to_json(), "data": data, "specs": specs, **(parameters or {})}
    check_parameters(given, _OPTIONS | {"specs": "--specs"})
    values = {**_upload(spec, services, data, specs), **(parameters or {})}
    check_parameters(values, _OPTIONS)
    try:
        client = kfp.Client(host=host)
        with tempfile.TemporaryDirectory() as folder:
            compiled = compile_pipeline(pipeline, Path(folder) / "pipeline.yaml")
            run = client.create_run_from_pipeline_package(
                str(compiled), arguments=values, run_name=services.run, experiment_name=experiment
            )
    except (kfp_server_api.ApiException, urllib3.exceptions.HTTPError, ConnectionError, RuntimeError) as error:
        raise SubmitError(
            f"{host}: expected a Kubeflow Pipelines API that accepts the run; found {type(error).__name__}: {error}. "
            "Check --host (for example http://localhost:8888 after a port-forward) and the cluster's log."
        ) from error
    return str(run.run_id)


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
