"""The image in which components run: lightweight functions, our packages are already in it."""

import functools
import os

from kfp import dsl

from models import version

IMAGE = os.environ.get("HELIOGRAPH_IMAGE", version.IMAGE)

component = functools.partial(dsl.component, base_image=IMAGE, install_kfp_package=False)
"""Decorator of every component. ``HELIOGRAPH_IMAGE`` names another image when the pipeline is compiled."""
