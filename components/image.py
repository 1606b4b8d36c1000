"""The images that components run in: they are lightweight functions, and our packages are installed in them."""

import functools
import os

from kfp import dsl

from models import version

IMAGE = os.environ.get("HELIOGRAPH_IMAGE", version.IMAGE)
TRAIN_IMAGE = os.environ.get("HELIOGRAPH_TRAIN_IMAGE", IMAGE)

component = functools.partial(dsl.component, base_image=IMAGE, install_kfp_package=False)
"""Decorator of every component but those that train. Set ``HELIOGRAPH_IMAGE`` when compiling to use another image."""
training_component = functools.partial(dsl.component, base_image=TRAIN_IMAGE, install_kfp_package=False)
"""Decorator of the components that train, on a GPU where there is one: ``HELIOGRAPH_TRAIN_IMAGE``."""
