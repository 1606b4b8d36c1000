"""The cluster of a rehearsal: services, pipelines, Kubernetes and predictors, and the commands that a person gives."""

import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from deploy.images.build import name_of
from models.served import model_name
from models.spec import Spec
from tests.rehearsal.artifacts import ObjectStorage
from tests.rehearsal.controller import Controller, controller
from tests.rehearsal.engine import Container, Engine, Mount
from tests.rehearsal.kfp_api import PipelinesApi, Submitted, pipelines_api
from tests.rehearsal.products import write_spec
from tests.rehearsal.runner import World
from tests.rehearsal.services import BUCKET, Services, running
from tests.rehearsal.table import BrokenError
from tests.standins.api_server import ApiServer, api_server
from tests.standins.manifests import access

ROOT = Path(__file__).resolve().parents[2]
NAMESPACE, SECRET = "heliograph", "heliograph"
STORE = "feature_repo/feature_store.cluster.yaml"
STORAGE, ARTIFACTS = f"s3://{BUCKET}/state", f"s3://{BUCKET}/artifacts"
ACCOUNTS = {
    "training": "heliograph-deploy",
    "refresh": "heliograph-train",
    "monitoring": "heliograph-monitor",
    "act": "heliograph-act",
}
"""The service account of each pipeline's pods."""
MODES = {"professional": "Standard"}
"""KServe's mode by product, where it is not Knative."""
_RUN = re.compile(r"run (\S+) created")
_SECONDS = 300.0


class CommandError(BrokenError):
    """Raised for a command that failed; the message is the end of what it printed."""


@dataclass(frozen=True)
class Setting:
    """Everything that runs. ``token``: what callers of predictors send."""

    folder: Path
    services: Services
    engine: Engine
    cluster: ApiServer
    controller: Controller
    pipelines: PipelinesApi
    kubeconfig: Path
    token: str

    @property
    def secret(self) -> Mapping[str, str]:
        """The Secret that every pod gets."""
        return self.pipelines.world.secrets[SECRET]

    def submit(self, spec: Spec, pipeline: str, *options: str, variables: Mapping[str, str] = {}) -> Submitted:
        """Give ``python -m pipelines submit`` and wait until the run has ended. Raises CommandError.

        Of an option that is given twice, the last one counts. ``variables``: of the command's environment.
        """
        kfp_token = self.folder / "kfp.token"
        kfp_token.write_text(self.pipelines.token, encoding="ascii")
        printed = self.command(
            "pipelines", "submit", "--pipeline", pipeline, "--spec", str(write_spec(spec, self.folder)),
            "--host", self.pipelines.address, "--token-file", str(kfp_token), "--tracking-uri", self.services.tracking,
            "--storage", STORAGE, "--secret", SECRET, "--pipeline-root", ARTIFACTS,
            "--service-account", ACCOUNTS[pipeline], "--endpoint", str(self.endpoint(spec)),
            *(["--accelerator-count", "0"] if pipeline in ("training", "act") else []), *options, variables=variables,
        )  # fmt: skip
        found = _RUN.search(printed)
        if found is None:
            raise CommandError(f"expected a run that was created; found {printed[-300:]}")
        return self.pipelines.result(found[1])

    def endpoint(self, spec: Spec) -> Path:
        """The file of ``--endpoint``: the first product in Standard mode, which routes gRPC, others in Knative's."""
        settings = {"namespace": NAMESPACE, "secret": SECRET, "mode": MODES.get(spec.name, "Knative")}
        if settings["mode"] == "Standard":
            settings["hostname"] = f"{spec.name}.heliograph.example"
        path = self.folder / f"endpoint-{spec.name}.json"
        path.write_text(json.dumps(settings), encoding="utf-8")
        return path

    def objects(self, address: str) -> list[str]:
        """The objects below an address."""
        return self.pipelines.world.storage.names(address)

    def serving(self, *given: str, spec: Spec) -> str:
        """Give ``python -m serving`` for a product on the cluster."""
        target = ["--target", "cluster", "--endpoint", str(self.endpoint(spec))]
        target += ["--tracking-uri", self.services.tracking]
        return self.command("serving", *given, "--model", model_name(spec), *target)

    def command(self, module: str, *given: str, variables: Mapping[str, str] = {}) -> str:
        """Run one of our commands on this machine; return what it prints. Raises CommandError."""
        done = subprocess.run(
            [sys.executable, "-m", module, *given],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            timeout=_SECONDS,
            env={**os.environ, **self.secret, "KUBECONFIG": str(self.kubeconfig), **variables},
        )
        if done.returncode:
            printed = f"{done.stdout}\n{done.stderr}".strip()
            raise CommandError(f"python -m {module} {given[0]}: exit status {done.returncode}: {printed[-900:]}")
        return done.stdout

    def pod(self, name: str, command: list[str]) -> str:
        """Run a pod of the pipeline image, as a CronJob does: the secret, a writable /tmp. Raises CommandError."""
        scratch, log = self.folder / "pods" / name / "tmp", self.folder / "logs" / f"{name}.log"
        scratch.mkdir(parents=True)
        scratch.chmod(0o777)
        mounts = [Mount(scratch, "/tmp", False)]
        container = Container(
            f"heliograph-{name}", name_of("pipeline"), command, self.secret, mounts, 1000, 1000, 4 << 30, 2
        )
        status = self.engine.run(container, log, _SECONDS)
        printed = log.read_text(encoding="utf-8", errors="replace")
        if status:
            raise CommandError(f"{name}: exit status {status}: {printed[-900:]}")
        return printed


@contextmanager
def setting() -> Iterator[Setting]:
    """Start everything below one temporary folder; end and remove everything."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rehearsal-", ignore_cleanup_errors=True)))
        folder.chmod(0o755)  # Postgres and the containers run as other users
        for name in ("services", "predictors", "kubernetes", "logs"):
            (folder / name).mkdir()
        services, engine = stack.enter_context(running(folder / "services")), Engine()
        stack.callback(engine.close)
        token = secrets.token_hex(12)
        every: dict[str, Mapping[str, str]] = {SECRET: {**services.secret(), "HELIOGRAPH_TOKEN": token}}
        server = stack.enter_context(api_server(folder / "kubernetes"))
        server.load(access("overlays/standard"))
        predictors = stack.enter_context(controller(server, engine, folder / "predictors", every))
        world = World(
            engine=engine,
            storage=ObjectStorage(services.files()),
            folder=folder,
            secrets=every,
            accounts=lambda name: account(server, folder, name),
            variables={"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(server.server_port)},
            namespace=NAMESPACE,
        )
        api = stack.enter_context(pipelines_api(world, ARTIFACTS, secrets.token_hex(12)))
        kubeconfig = folder / "kubernetes" / "kubeconfig"
        kubeconfig.write_text(yaml.safe_dump(server.kubeconfig()), encoding="utf-8")
        yield Setting(folder, services, engine, server, predictors, api, kubeconfig, token)


def account(server: ApiServer, folder: Path, name: str) -> Path | None:
    """The files of a service account, as Kubernetes mounts them into a pod; None where there is no such account."""
    if server.get("serviceaccounts", NAMESPACE, name) is None:
        return None
    place = folder / "accounts" / name
    place.mkdir(parents=True, exist_ok=True)
    if not (place / "token").is_file():
        (place / "ca.crt").write_bytes(server.ca_file.read_bytes())
        (place / "namespace").write_text(NAMESPACE, encoding="ascii")
        (place / "token").write_text(server.token_for(NAMESPACE, name), encoding="ascii")
    return place
