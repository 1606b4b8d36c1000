"""Builds images, each once per digest of its inputs."""

import hashlib
import json
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.images import layers
from deploy.images.base import base_image
from deploy.images.dockerfile import sources, stages
from deploy.images.engine import ROOT, follow, output, say, succeeds
from deploy.images.mirror import build_flags, machine_settings
from models import version

DOCKERFILE = "deploy/Dockerfile"
INPUTS = "heliograph.inputs"
"""Label with the digest of what an image was made of."""
REVISION = "org.opencontainers.image.revision"
DIRTY = "-dirty"


@dataclass(frozen=True)
class Image:
    """An image of a target: its name, identity and size in bytes, and the seconds of its build (0: it was there)."""

    target: str
    name: str
    identity: str
    size: int
    seconds: float


def name_of(target: str) -> str:
    """The name of a target's image on this machine; without ``localhost/`` it is what manifests say."""
    return f"localhost/{version.image(target)}"


def inputs(target: str, base: str, root: Path) -> str:
    """Digest of what a target is made of: the base's identity, the Dockerfile, and every file that it copies."""
    text = (root / DOCKERFILE).read_bytes()
    digest = hashlib.sha256(base.encode() + b"\0" + text)
    for source in sources(target, stages(text.decode())):
        path = root / source
        files = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
        for file in files:
            if "__pycache__" not in file.parts:
                digest.update(f"\0{file.relative_to(root)}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def build(targets: Sequence[str], base: str = "", flags: Sequence[str] = ()) -> list[Image]:
    """Build the targets whose inputs changed; ``flags`` are further options of ``buildah build``.

    Without ``base``, see ``base_image``. Raises ImageError.
    """
    start = base_image(base)
    identity = output(["podman", "image", "inspect", "--format", "{{.Id}}", start])
    return [_one(target, start, inputs(target, identity, ROOT), flags) for target in targets]


def _one(target: str, start: str, digest: str, flags: Sequence[str]) -> Image:
    name, begun = name_of(target), time.monotonic()
    found, labels = _labels(name), _described(target, digest)
    # An image of uncommitted files is labeled again when they are committed: its layers are there.
    stale = found.get(REVISION, "").endswith(DIRTY) and not labels[REVISION].endswith(DIRTY)
    there = found.get(INPUTS) == digest and not stale
    if not there:
        log = ROOT / "build" / "images" / f"{target}.log"
        say(f"{target}: building {name}, minutes the first time; {log}")
        layers.before_build(target, log)
        follow(
            [*_command(target, start), *_options(labels), *build_flags(machine_settings()), *flags, "--tag", name, "."],
            log,
        )
        layers.after_build(target, log)
    identity, size = output(["podman", "image", "inspect", "--format", "{{.Id}} {{.Size}}", name]).split()
    return Image(target, name, identity, int(size), 0.0 if there else time.monotonic() - begun)


def _command(target: str, start: str) -> list[str]:
    """Docker's format, since OCI's has no health check; layers are kept, so that a change of the code is quick."""
    options = ["--isolation", "chroot", "--pull-never", "--layers", "--format", "docker"]
    return ["buildah", "bud", *options, "--build-arg", f"BASE_IMAGE={start}", "--file", DOCKERFILE, "--target", target]


def _described(target: str, digest: str) -> dict[str, str]:
    """Labels: the inputs' digest, and the commit with its time, which do not depend on when or where it is built.

    The commit has ``-dirty`` if a file that the target is made of differs from it, or is not in it.
    """
    every = stages((ROOT / DOCKERFILE).read_text(encoding="utf-8"))
    files = [DOCKERFILE, *map(str, sources(target, every))]
    revision, _, created = _git("log", "-1", "--abbrev=12", "--format=%h %cI").partition(" ")
    if not revision:
        return {INPUTS: digest, REVISION: "unknown"}
    dirty = DIRTY if _git("status", "--porcelain", "--untracked-files=all", "--", *files) else ""
    return {INPUTS: digest, REVISION: revision + dirty, "org.opencontainers.image.created": created}


def _git(*given: str) -> str:
    """What git says of the repository, or nothing if it is none."""
    return subprocess.run(["git", *given], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()


def _options(labels: Mapping[str, str]) -> list[str]:
    return [word for name, value in labels.items() for word in ("--label", f"{name}={value}")]


def _labels(name: str) -> dict[str, str]:
    if not succeeds(["podman", "image", "exists", name]):
        return {}
    return json.loads(output(["podman", "image", "inspect", "--format", "{{json .Labels}}", name])) or {}
