"""Study: the family ``sequence`` against DCNv2 on the same columns. ``python -m benchmarks.studies.sequence``."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from benchmarks.studies.definition import Study
from benchmarks.studies.fitting import Setting
from benchmarks.studies.row import Row, trained_as
from benchmarks.studies.study import command
from models.configs.model import OF_GRAPH, ModelConfig
from models.graph.store import TemporalGraph

DCN, SEQUENCE = "DCNv2", "Sequence"
CHANGES: Mapping[str, Mapping[str, Any]] = {
    "with learned positions": {"position_encoding": "learned"},
    "without positions": {"position_encoding": "none"},
    "with a linear head": {"linear_head": True, "experts": 0},
    "without engagements": {"engagements": "none"},
    "without counters and context": {"counters": False},
    "without ID embeddings": {"id_embeddings": False},
}
"""One change each."""


def add_options(parser: ArgumentParser) -> None:
    """Add the option of the baseline's training."""
    parser.add_argument("--networks", default="{}", help="TrainingConfig of DCNv2: JSON; default: the study's")


def rows(graph: TemporalGraph, options: Namespace, setting: Setting) -> list[Row]:
    """DCNv2, the sequential ranker without trees, and that with one change each; changes that change nothing are left
    out. Settings of the family ``graph`` lend what both families have."""
    defaults = {field.name: field.default for field in fields(ModelConfig)}
    own = {"family": "sequence", "trees": False, **{key: defaults[key] for key in OF_GRAPH}}
    found = [Row(DCN, baseline="dcn", training=trained_as(options.networks)), Row(SEQUENCE, model=own)]
    for name, change in CHANGES.items():
        if any(getattr(setting.model, key) != value for key, value in change.items()):
            found.append(Row(f"{SEQUENCE} {name}", model=own | dict(change)))
    if setting.training.history_events:
        found.append(Row(f"{SEQUENCE} without pre-training", model=own, training={"history_events": 0}))
    return found


STUDY = Study(
    name="sequence",
    title="The family sequence against DCNv2",
    about=(
        "Both read the same impressions, windows and columns (counters, context, collaborative columns, features of "
        "both sides); the sequential ranker also what its member was shown before, and what came of it "
        "(docs/sequence.md). No trees. Below: the sequential ranker with one change each."
    ),
    reference=DCN,
    rows=rows,
    add_options=add_options,
)

if __name__ == "__main__":
    sys.exit(command(STUDY))
