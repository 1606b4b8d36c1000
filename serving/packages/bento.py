"""Bento of a version: a folder that BentoML serves and builds images from (``bentoml build``)."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from models.files import new_folder
from serving.packages.contents import write_contents
from serving.packages.errors import PackageError
from serving.packages.requirements import pinned
from serving.versions.registry import Registry
from serving.versions.signing import without_signing_key

# BentoML imports the service to build it; ours loads nothing then.
_SERVICE = """from pathlib import Path

from serving.packages.service import ranking_service

Ranking = ranking_service(Path(__file__).parent)
"""
_QUIET = {"BENTOML_DO_NOT_TRACK": "True", "FEAST_USAGE": "False", "FEAST_TELEMETRY": "False"}
"""Environment of BentoML when it builds and when its image serves: no telemetry."""


def build_bento(registry: Registry, name: str, version: str | None, output: Path) -> Path:
    """Build the bento of a registered version (None = the champion) as the folder ``output``, which must not exist.

    Nothing is downloaded: the requirements are the versions installed here. Raises PackageError with BentoML's output,
    FileExistsError for an existing folder, and RegistryError for an unknown version.
    """
    requirements = pinned("bentoml")
    # Built elsewhere: BentoML does not read below a folder whose name begins with a dot, as the draft's does.
    with new_folder(output) as draft, tempfile.TemporaryDirectory(prefix="heliograph-bento-") as place:
        context, home = Path(place) / "context", Path(place) / "home"
        context.mkdir()
        facts = write_contents(context, registry, name, version)
        (context / "service.py").write_text(_SERVICE, encoding="utf-8")
        (context / "bentofile.yaml").write_text(yaml.safe_dump(_bentofile(name, requirements)), encoding="utf-8")
        _run([sys.executable, "-m", "bentoml", "build", "--version", facts.version], context, home)
        shutil.copytree(home / "bentos" / name / facts.version, draft, dirs_exist_ok=True)
    return output


def _bentofile(name: str, requirements: list[str]) -> dict[str, object]:
    return {
        "service": "service:Ranking",
        "name": name,
        "description": f"Heliograph ranks the candidates of {name}.",
        "include": ["*"],
        "python": {"packages": requirements, "lock_packages": False},
        "docker": {"python_version": "3.11"},
        "envs": [{"name": variable, "value": value} for variable, value in _QUIET.items()],
    }


def _run(command: list[str], folder: Path, home: Path) -> None:
    environment = {**without_signing_key(os.environ), **_QUIET, "BENTOML_HOME": str(home)}
    done = subprocess.run(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if done.returncode:
        raise PackageError(
            f"`bentoml build` ended with status {done.returncode}:\n{(done.stdout + done.stderr)[-2000:]}"
        )
