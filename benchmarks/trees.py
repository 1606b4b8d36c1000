"""What trees beside the network cost a request: milliseconds of one slate's logits with and without them.

A network of the default size with random weights; trees of three tasks on made-up labels, most of whose columns are
numbers. LightGBM's own evaluation of the same trees is measured too.

    python -m benchmarks.trees --rounds 300 --candidates 100
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import lightgbm
import numpy as np
import torch

from benchmarks.random_trees import fit_random
from benchmarks.table import show
from models.calibration import Calibration
from models.configs.model import ModelConfig
from models.graph.fakes import fake_graph
from models.graph.schema import FeatureColumn, TaskColumn
from models.nn.build import build_ranker
from models.nn.encoding import Encoding
from models.training.artifact import Model, save_model
from serving.ranking.scorer import Scorer, SlateInputs

BAR_MS = 4.5
_NUMBERS, _CODES, _TASKS = 86, 4, ("one", "two", "three")


def network() -> Model:
    """A model whose impressions have 90 columns."""
    graph = fake_graph()
    names = [FeatureColumn(f"number_{place}", "number") for place in range(_NUMBERS)]
    codes = [FeatureColumn(f"code_{place}", "category", vocabulary=tuple("abcdefgh")) for place in range(_CODES)]
    count, random = len(graph.seeds), torch.Generator().manual_seed(0)
    numbers = torch.randn(count, _NUMBERS, generator=random)
    categories = torch.randint(0, 9, (count, _CODES), generator=random)
    tasks = tuple(TaskColumn(name, 1.0, primary=name == _TASKS[0]) for name in _TASKS)
    schema = replace(graph.schema, seeds=replace(graph.schema.seeds, features=(*names, *codes), tasks=tasks))
    seeds = replace(graph.seeds, numbers=numbers, categories=categories)
    encoding = Encoding.fit(replace(graph, schema=schema, seeds=seeds), schema.window("train").end)
    ranker = build_ranker(ModelConfig(), schema, encoding).eval()
    return Model(ranker, encoding, schema, Calibration.none(list(_TASKS)), {"windows": ["train"], "epochs": 0})


def slate(scorer: Scorer, candidates: int) -> SlateInputs:
    """A request whose columns differ between candidates."""
    random = np.random.default_rng(1)
    features = {f"number_{place}": random.normal(size=candidates).astype(np.float32) for place in range(_NUMBERS)}
    features |= {f"code_{place}": random.choice(list("abcdefgh"), candidates) for place in range(_CODES)}
    return SlateInputs(
        member_tokens=random.standard_normal(scorer.member_token_size, np.float32),
        activity_tokens=random.standard_normal(scorer.activity_size, np.float32),
        activity_times=np.arange(1, scorer.activities + 1),
        as_of=10**6,
        item_tokens=random.standard_normal((candidates, scorer.item_token_size), np.float32),
        item_known=np.ones(candidates, bool),
        features=features,
        surface="push",
        time=2 * 10**6,
    )


def median_ms(call: Callable[[], object], times: int) -> float:
    """Milliseconds of the median call."""
    found = []
    for _ in range(times):
        started = time.perf_counter()
        call()
        found.append(time.perf_counter() - started)
    return float(np.median(found)) * 1000


def main() -> int:
    """Measure and print; 1 where the trees cost more than the bar."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trees", description="The cost of trees in a request.")
    parser.add_argument("--rounds", type=int, default=300, help="trees per task (300)")
    parser.add_argument("--candidates", type=int, default=100, help="candidates of the slate (100)")
    parser.add_argument("--times", type=int, default=200, help="requests measured (200)")
    given = parser.parse_args()
    model = network()
    trees = fit_random(model, given.rounds)
    with tempfile.TemporaryDirectory() as folder:
        alone = Scorer(save_model(model, Path(folder) / "alone"))
        both = Scorer(save_model(replace(model, trees=trees), Path(folder) / "both"))
    request = slate(alone, given.candidates)
    values = np.ascontiguousarray(both.tree_inputs.values(both.arguments([request]))[0])
    boosters = [lightgbm.Booster(model_str=task.text) for task in trees.tasks.values()]
    figures = {
        "network, ms": median_ms(lambda: alone.logits(request), given.times),
        "with trees, ms": median_ms(lambda: both.logits(request), given.times),
        "trees alone, ms": median_ms(lambda: trees.logits(values), given.times),
        "trees by LightGBM, one thread, ms": median_ms(
            lambda: [booster.predict(values, raw_score=True, num_threads=1) for booster in boosters], given.times
        ),
    }
    more = figures["with trees, ms"] - figures["network, ms"]
    title = f"trees: {given.candidates} candidates, {len(boosters)} x {given.rounds} trees, {values.shape[1]} columns"
    return show(title, {**figures, "more, ms": more}, {f"at most {BAR_MS} ms more": more <= BAR_MS})


if __name__ == "__main__":
    sys.exit(main())
