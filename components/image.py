"""The image that components run in: they are lightweight functions, and our packages are installed in it."""

import functools
import os

from kfp import dsl

from models import version

IMAGE = os.environ.get("HELIOGRAPH_IMAGE", version.IMAGE)

component = functools.partial(dsl.component, base_image=IMAGE, install_kfp_package=False)
"""Decorator of every component. Set ``HELIOGRAPH_IMAGE`` when compiling to use another image."""
