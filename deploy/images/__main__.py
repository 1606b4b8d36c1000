"""``python -m deploy.images [TARGET ...]``: build and check images; prints a table, and JSON as the last line.

``--base`` (BASE_IMAGE): the image to start from. ``--flags`` (BUILD_FLAGS): further options of ``buildah build``, for
example of a mirror: ``--build-arg PIP_INDEX_URL=...`` or ``--volume folder:folder:ro``. This machine's own pip settings
are passed on anyway. Layers of earlier builds in this folder that no target needs any more are removed.
"""

import argparse
import json
import os
import shlex
import sys
from dataclasses import asdict

from deploy.images.build import build
from deploy.images.check import BOUNDS, GB, check
from deploy.images.engine import say
from deploy.images.errors import ImageError
from deploy.images.layers import prune


def main() -> int:
    """Build, check, print; 1 if an image cannot be built or is not what it should be."""
    parser = argparse.ArgumentParser(prog="python -m deploy.images", description="Build and check container images.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"some of {', '.join(BOUNDS)} (serve pipeline)")
    parser.add_argument("--base", default=os.environ.get("BASE_IMAGE", ""), help="image to start from")
    parser.add_argument("--flags", default=os.environ.get("BUILD_FLAGS", ""), help="further options of buildah build")
    given = parser.parse_args()
    targets = given.targets or ["serve", "pipeline"]
    if unknown := set(targets) - set(BOUNDS):
        parser.error(f"TARGET: expected some of {', '.join(BOUNDS)}; found {', '.join(sorted(unknown))}")
    try:
        images = build(targets, given.base, shlex.split(given.flags))
        for image in images:
            check(image)
        if removed := prune():
            say(f"{removed} layers of earlier builds removed")
    except ImageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for image in images:
        made = f"built in {image.seconds:.0f} s" if image.seconds else "unchanged"
        limit = BOUNDS[image.target].size / GB
        print(f"{image.name}  {image.size / GB:.2f} GB, limit {limit:.1f}  {made}  {image.identity[:12]}")
    print(json.dumps({image.target: asdict(image) for image in images}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
