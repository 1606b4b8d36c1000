"""Study (b): what each ingredient adds, in LiGNN's order. ``python -m benchmarks.studies.ablation --graph FOLDER``."""

import sys
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from benchmarks.studies.definition import Study
from benchmarks.studies.fitting import Setting
from benchmarks.studies.row import Row
from benchmarks.studies.study import command
from models.graph.store import TemporalGraph

FULL = "full model"
WITHOUT_GRAPH: Mapping[str, Any] = {"graph": False, "overlap": False, "item_neighbours": False}
"""No graph tokens, no item-side neighbors: the reference that the graph has to beat."""
STEPS: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("+ GraphSAGE, mean of neighbours", {"graph": False}),
    ("+ attention", {"attention": False}),
    ("+ edge attributes", {"edge_attributes": False}),
    ("+ separate encoders", {"separate_encoders": False}),
    ("+ ID embeddings", {"id_embeddings": False}),
    ("+ temporal encoder", {"sequence": False}),
    ("+ positions", {"positions": False}),
    ("+ time gaps", {"time_gaps": False}),
    ("+ prefix-causal mask", {"prefix_causal": False}),
    ("+ item-side neighbours", {"item_neighbours": False}),
    ("+ long-term loss", {"long_term": 0}),
    ("+ matching", {"matching": False}),
    ("+ overlap", {"overlap": False}),
    ("+ own features beside the tokens", {"profiles": False}),
    ("+ cross network", {"cross_layers": 0}),
    ("+ numbers in pieces", {"pieces": 0}),
    ("+ experts", {"experts": 0}),
    ("+ learned weights of the tasks", {"task_weighting": "fixed"}),
)
"""Ingredients in the order in which they are added (LiGNN's, arXiv 2402.11139, then ours), each with the model key that
turns it off."""
_LONG_TERM = 10


def rows(graph: TemporalGraph, options: Namespace, setting: Setting) -> list[Row]:
    """Cumulative rows from counters and both sides' features to the full model, then variants with one change."""
    model = setting.model
    steps = [(name, off) for name, off in STEPS if replace(model, **off) != model]
    off = {key: value for _, keys in steps for key, value in keys.items()}
    found = [Row("no graph, no sequence", model=dict(off))]
    for name, keys in steps[:-1]:
        off = {key: value for key, value in off.items() if key not in keys}
        found.append(Row(name, model=dict(off)))
    found.append(Row(FULL))
    left_out: dict[str, Mapping[str, Any]] = {
        "without graph": WITHOUT_GRAPH,
        "without temporal encoder": {"sequence": False, "matching": False},
        "without counters and context": {"counters": False},
        "without ID embeddings": {"id_embeddings": False},
        "without edge attributes": {"edge_attributes": False},
        "with the whole prefix seen by all": {"prefix_causal": False},
    }
    found += [Row(name, model=keys) for name, keys in left_out.items() if replace(model, **keys) != model]
    if setting.training.history_events:
        found.append(Row("without pre-training on history", training={"history_events": 0}))
    if not model.long_term and model.activities > _LONG_TERM:
        found.append(Row(f"with long-term loss, N2 = {_LONG_TERM}", model={"long_term": _LONG_TERM}))
    return found


STUDY = Study(
    name="ablation",
    title="What each ingredient adds",
    about=(
        "Above the full model: each row has the ingredients of the rows above it and one more, in the order of LiGNN, "
        "then ours; with the last ingredient it is the full model. Below: the full model with one change."
    ),
    reference=FULL,
    rows=rows,
)

if __name__ == "__main__":
    sys.exit(command(STUDY))
