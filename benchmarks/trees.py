"""What trees beside the network cost a request: seconds of one slate's logits with and without them.

The served world's model with random weights, and trees of made-up labels, as many rounds as are asked for. LightGBM's
own evaluation of the same trees is measured too.

    python -m benchmarks.trees --rounds 300 --candidates 100
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.served_world import random_model
from benchmarks.table import show
from models.graph.fakes import fake_graph
from models.graph.schema import FeatureColumn, TaskColumn
from models.graph.store import TemporalGraph
from models.training.artifact import Model, load_model, save_model
from models.trees.search import TaskRows, fit_rounds
from models.trees.trees import Trees
from serving.ranking.scorer import Scorer, SlateInputs
