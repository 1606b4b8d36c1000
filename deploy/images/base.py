"""The image that all others start from."""

import os
import shutil
import subprocess

from deploy.images.engine import ROOT, follow, output, say, succeeds
from deploy.images.errors import ImageError

OFFICIAL = "python:3.11-slim"
STAND_IN = "localhost/heliograph-base:bookworm"
_SUITE, _PACKAGES = "bookworm", "python3,python3-venv,python3-pip,ca-certificates,libgomp1"
"""Debian 12 has Python 3.11."""
_DOCKERFILE = """\
FROM scratch
ADD base.tar /
RUN rm -f /usr/lib/python3*/EXTERNALLY-MANAGED && ln -sf python3 /usr/bin/python \\
    && echo 'Dir::Cache::pkgcache ""; Dir::Cache::srcpkgcache "";' > /etc/apt/apt.conf.d/no-cache
"""


def base_image(wanted: str = "") -> str:
    """The wanted image, or the official one. Without a name and a registry: one made of this machine's Debian packages.

    Raises ImageError if a wanted image is not there, or no other can be made.
    """
    name = wanted or OFFICIAL
    if succeeds(["podman", "image", "exists", name]) or succeeds(["podman", "pull", "--quiet", name]):
        return name
    if wanted:
        raise ImageError(
            f"{wanted}: expected an image here or in a registry; found none. Unset BASE_IMAGE, or pull it."
        )
    if not succeeds(["podman", "image", "exists", STAND_IN]):
        say(f"{OFFICIAL}: no registry has it; making {STAND_IN} of Debian packages")
        _make()
    return STAND_IN


def _make() -> None:
    if not shutil.which("mmdebstrap"):
        raise ImageError(
            f"mmdebstrap: expected this command, since no registry has {OFFICIAL}. Set BASE_IMAGE, or run: "
            ".ci/packages containers"
        )
    work = ROOT / "build" / "base-image"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    mode = "root" if os.geteuid() == 0 else "unshare"
    options = [f"--mode={mode}", "--variant=minbase", f"--include={_PACKAGES}"]
    follow(["mmdebstrap", *options, _SUITE, str(work / "base.tar"), _mirror()], ROOT / "build" / "base-image.log")
    (work / "Dockerfile").write_text(_DOCKERFILE, encoding="utf-8")
    output(["buildah", "bud", "--isolation", "chroot", "--layers=false", "--tag", STAND_IN, str(work)])
    shutil.rmtree(work)


def _mirror() -> str:
    """The first address of this machine's own package sources."""
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    mirrors = [line.split()[0] for line in listed.splitlines() if line.split()[1:] == [_SUITE]]
    if not mirrors:
        raise ImageError(f"apt-get: expected package sources of Debian {_SUITE}; found none. Set BASE_IMAGE.")
    return mirrors[0]
