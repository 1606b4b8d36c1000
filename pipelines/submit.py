"""Sending a compiled pipeline to a Kubeflow Pipelines cluster."""

import tempfile
from pathlib import Path
from typing import Any

from components.services import Services
from models.spec import load_spec
from pipelines.catalogue import arguments, compile_pipeline
from pipelines.errors import SubmitError


def submit(
    pipeline: str,
    spec_path: Path,
    data: str,
    host: str,
    services: Services,
    experiment: str,
    parameters: dict[str, Any] | None = None,
) -> str:
    """Create a run of ``pipeline`` at ``host``; returns its id. ``parameters`` are the pipeline's own, such as the GPU
    pool's. Raises SubmitError if the cluster cannot be reached or refuses."""
    import kfp
    import kfp_server_api
    import urllib3

    spec = load_spec(spec_path)
    values = {**arguments(pipeline, spec, services.to_json(), data), **(parameters or {})}
    try:
        client = kfp.Client(host=host)
        with tempfile.TemporaryDirectory() as folder:
            compiled = compile_pipeline(pipeline, Path(folder) / "pipeline.yaml")
            run = client.create_run_from_pipeline_package(
                str(compiled), arguments=values, run_name=services.run, experiment_name=experiment
            )
    except (kfp_server_api.ApiException, urllib3.exceptions.HTTPError, ConnectionError, RuntimeError) as error:
        raise SubmitError(
            f"{host}: expected a Kubeflow Pipelines API that takes the run; found {type(error).__name__}: {error}. "
            "Check --host (for example http://localhost:8888 after a port-forward) and the cluster's log."
        ) from error
    return str(run.run_id)
