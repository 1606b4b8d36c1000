"""Archive (.mar) of a version for TorchServe, which is unmaintained: made only on explicit consent."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from models.files import new_folder
from serving.packages import handler
from serving.packages.contents import STATE, write_contents
from serving.packages.errors import PackageError
from serving.packages.requirements import pinned
from serving.settings.limits import Limits
from serving.versions.registry import Registry
from serving.versions.signing import without_signing_key

WARNING = """\
TorchServe was archived by its maintainers in August 2025: there are no more security patches.
The worst known vulnerability is CVE-2023-43654 (code execution through its management API). The configuration written
here closes that API, downloads no models by URL, listens on the loopback interface and requires a token (TorchServe's
own, on by default: never start it with --disable-token-auth). Do not make it reachable from a network, and prefer the
KServe endpoint or the bento unless you must use TorchServe."""
PORTS = (8080, 8081, 8082, 7070, 7071)
"""Inference, management and metrics over HTTP; inference and management over gRPC."""


def export_archive(registry: Registry, name: str, version: str | None, output: Path) -> Path:
    """Write ``output`` (which must not exist): NAME.mar, config.properties, requirements.txt, WARNING.txt.

    ``version`` None = the champion. Raises PackageError with the archiver's output, FileExistsError for an existing
    folder, and RegistryError for an unknown version.
    """
    requirements = pinned("torchserve")
    with new_folder(output) as draft, tempfile.TemporaryDirectory(prefix="heliograph-mar-") as place:
        contents = Path(place) / "contents"
        contents.mkdir()
        facts = write_contents(contents, registry, name, version)
        _archive(name, facts.version, contents, draft, Path(place))
        (draft / "config.properties").write_text(properties(PORTS), encoding="utf-8")
        (draft / "requirements.txt").write_text("\n".join(requirements) + "\n", encoding="utf-8")
        text = f"{WARNING}\n\nStart it in this folder:\n  {start_line(name)}\n"
        (draft / "WARNING.txt").write_text(text, encoding="utf-8")
    return output


def start_line(name: str) -> str:
    """The command that serves the export, to be run in its folder, where TorchServe writes tokens to key_file.json."""
    return (
        f"{STATE}=<state folder> torchserve --start --foreground --no-config-snapshots --ts-config config.properties "
        f"--model-store . --models {name}={name}.mar"
    )


def properties(ports: Sequence[int]) -> str:
    """TorchServe's configuration: tokens required, no other models, reachable from this machine only."""
    inference, management, metrics, grpc_inference, grpc_management = ports
    limits = Limits()
    settings = {
        "disable_token_authorization": "false",
        "enable_model_api": "false",
        "enable_envvars_config": "false",
        "allowed_urls": "none://",
        "install_py_dep_per_model": "false",
        "inference_address": f"http://127.0.0.1:{inference}",
        "management_address": f"http://127.0.0.1:{management}",
        "metrics_address": f"http://127.0.0.1:{metrics}",
        "grpc_inference_address": "127.0.0.1",
        "grpc_management_address": "127.0.0.1",
        "grpc_inference_port": str(grpc_inference),
        "grpc_management_port": str(grpc_management),
        "default_workers_per_model": "1",
        "disable_system_metrics": "true",
        "vmargs": "-Xmx512m",
        "max_request_size": str(limits.body_bytes),
        "job_queue_size": str(limits.waiting),
    }
    return "".join(f"{key}={value}\n" for key, value in settings.items())


def _archive(name: str, version: str, contents: Path, output: Path, temporary: Path) -> None:
    """Run torch-model-archiver with its own temporary folder: it removes whatever has the model's name there."""
    command = [sys.executable, "-m", "model_archiver.model_packaging", "--model-name", name, "--version", version]
    command += ["--handler", handler.__file__, "--extra-files", str(contents), "--export-path", str(output)]
    environment = {**without_signing_key(os.environ), "TMPDIR": str(temporary)}
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise PackageError(
            f"torch-model-archiver ended with status {done.returncode}:\n{(done.stdout + done.stderr)[-2000:]}"
        )
