"""The image in which components run: lightweight functions, our packages are already in it."""

import functools
import os

from kfp import dsl

# The name holds "python" because kfp.local warns about images that do not.
IMAGE = os.environ.get("HELIOGRAPH_IMAGE", "heliograph-python:0.1.0")

component = functools.partial(dsl.component, base_image=IMAGE, install_kfp_package=False)
"""Decorator of every component. ``HELIOGRAPH_IMAGE`` names another image when the pipeline is compiled."""
