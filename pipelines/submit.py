"""Submit a compiled pipeline to a Kubeflow Pipelines cluster, once or as a recurring run."""

import re
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components.services import CLUSTER, Services
from models.spec import Spec
from models.storage import is_remote
from pipelines.catalogue import TRAINS, arguments, compile_pipeline
from pipelines.cron import Cron
from pipelines.errors import SubmitError
from pipelines.local import load_checked_spec
from pipelines.parameters import check_parameters
from pipelines.recurring import replace_recurring_run
from pipelines.settings import ClusterSettings, check_name

_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_S3, _S3_OR_KFP = ("s3://",), ("s3://", "minio://")
"""Schemes that the images serve from end to end. Feast's file sources in ``--storage`` know no MinIO by its name, which
KFP, and our reader of raw data, take for S3 at AWS_ENDPOINT_URL; for other stores no client is installed.
"""
_OPTIONS = {
    **{"services.tracking_uri": "--tracking-uri", "services.storage": "--storage"},
    **{"services.feature_store": "--feature-store", "spec": "--specs"},
    **{"data": "--data", "accelerator": "--accelerator"},
    **{"accelerator_count": "--accelerator-count", "node_selector": "--node-selector", "tolerations": "--tolerations"},
    **{
        "trainer": "--trainer-runtime",
        "trainer.node_selector": "--node-selector",
        "trainer.tolerations": "--tolerations",
    },
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
    namespace: str | None = None
    """Namespace of the runs where KFP serves several users; None where it serves one."""
    service_account: str | None = None
    """Service account of the run's pods; None: KFP's default."""
    pipeline_root: str | None = None
    """Address of the run's artifacts; None: KFP's default."""
    token: str | None = field(default=None, repr=False)
    """Bearer token for the API; None: no token, or what KFP's client finds by itself."""
    settings: ClusterSettings = field(default_factory=ClusterSettings)
    """What is compiled into the tasks."""

    def check(self, storage: str, data: str) -> None:
        """Check names and addresses, those of storage and data too. Raises SubmitError or SettingsError."""
        check_address("--storage", storage, "files that outlive a run", _S3)
        if is_remote(data):
            check_address("--data", data, "raw data", marks="")
        check_address("--specs", self.specs, "specs")
        if self.pipeline_root is not None:
            check_address("--pipeline-root", self.pipeline_root, "artifacts")
        if self.namespace is not None:
            check_name("--namespace", self.namespace, label=True)
        if self.service_account is not None:
            check_name("--service-account", self.service_account)


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
    adapter refuses it, ParameterError, SettingsError, or SubmitError if the cluster or the object store refuses the
    run, or a cluster could not serve a product of this name.
    """
    spec = load_checked_spec(spec_path)
    cluster.check(services.storage, data)
    if services.target == CLUSTER and pipeline in TRAINS and spec.name.endswith("_"):
        raise SubmitError(
            f"{spec_path}: name: expected one that ends with a letter or a digit, since the InferenceService is named "
            f"after it; found {spec.name!r}"
        )
    recurs, name = cluster.cron is not None, _name(cluster, pipeline, spec)
    given = {"services": services.to_json(), "data": data, "specs": cluster.specs, **(parameters or {})}
    check_parameters(given, _OPTIONS | {"specs": "--specs"}, recurs)
    values = {**_upload(spec, services, data, cluster.specs), **(parameters or {})}
    check_parameters(values, _OPTIONS, recurs)
    with tempfile.TemporaryDirectory() as folder:
        compiled = compile_pipeline(pipeline, Path(folder) / "pipeline.yaml", cluster.settings)
        return _send(cluster, name, compiled, values)


def _send(cluster: Cluster, name: str, compiled: Path, values: dict[str, Any]) -> str:
    """Create the run; return a line on it."""
    import kfp
    import kfp_server_api
    import urllib3

    address = cluster.host.rstrip("/")
    where = {"pipeline_root": cluster.pipeline_root, "service_account": cluster.service_account}
    try:
        named = {"namespace": cluster.namespace} if cluster.namespace else {}
        client = kfp.Client(host=cluster.host, existing_token=cluster.token, **named)
        experiment = client.create_experiment(cluster.experiment, namespace=cluster.namespace).experiment_id
        if cluster.cron is not None:
            what = {"params": values, "pipeline_package_path": str(compiled), **where}
            found = replace_recurring_run(client, experiment, name, cluster.cron, what, cluster.namespace)
            return f"recurring run {name}: {found}; see {address}/#/recurringrun/details/{found.id}"
        run = client.create_run_from_pipeline_package(
            str(compiled), arguments=values, run_name=name, experiment_id=experiment, **where
        )
    except (kfp_server_api.ApiException, urllib3.exceptions.HTTPError, ConnectionError, RuntimeError) as error:
        raise SubmitError(
            f"{cluster.host}: expected a Kubeflow Pipelines API that accepts the run; found {type(error).__name__}: "
            f"{error}. Check --host (for example http://localhost:8888 after a port-forward), --namespace, "
            "--token-file and the cluster's log"
            + (", then repeat the command, which also completes a replacement." if cluster.cron else ".")
        ) from error
    return f"run {run.run_id} created; see {address}/#/runs/details/{run.run_id}"


def _name(cluster: Cluster, pipeline: str, spec: Spec) -> str:
    """KFP's name of the run."""
    if cluster.name is None:
        return f"{spec.name}-{pipeline}" if cluster.cron else f"{pipeline}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    if not _RUN.fullmatch(cluster.name):
        raise SubmitError(f"--run-name: expected letters, digits and _ . -, 100 at most; found {cluster.name!r:.120}")
    return cluster.name


def check_address(
    option: str, address: str, what: str, schemes: tuple[str, ...] = _S3_OR_KFP, marks: str = "?#"
) -> None:
    """Check that an option is an address in an object store for ``what``, without a password. Raises SubmitError.

    ``marks``: what it must not hold.
    """
    bucket = address.split("://")[-1].split("/")[0]
    if not address.startswith(schemes) or not bucket or "@" in bucket or any(mark in address for mark in marks):
        raise SubmitError(
            f"{option}: expected an address of {what} in an object store that this machine and the images reach "
            f"({', '.join(schemes)}), such as s3://bucket/folder, without a password; found "
            f"{address.split('@')[-1]!r:.120}"
        )


def _upload(spec: Spec, services: Services, data: str, specs: str) -> dict[str, Any]:
    """Upload the spec to ``specs``; return the pipeline's arguments."""
    try:
        return arguments(spec, services.to_json(), data, specs)
    except (OSError, ValueError) as error:
        raise SubmitError(
            f"--specs {specs}: expected a place that this machine can write to; found {type(error).__name__}: {error}. "
            "Check the bucket and the credentials in the environment (AWS_ENDPOINT_URL for a store other than AWS)."
        ) from error
