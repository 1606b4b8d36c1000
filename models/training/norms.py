"""Norms of the vectors of members and items: what a version's vectors are like, in a few numbers."""

from typing import Any

import numpy as np
import torch

from models.graph.sample import Sampler
from models.graph.store import TemporalGraph
from models.nn.encoded import encode_graph
from models.training.artifact import Model

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
MOST = 2_000
"""The most members, and items, whose norms are taken."""
_BATCH = 500


@torch.inference_mode()
def embedding_norms(model: Model, graph: TemporalGraph, as_of: int) -> dict[str, dict[str, Any]]:
    """The norms of the vectors that ``models.training.embed`` would write: ``norms_of`` by side (member, item).

    ``as_of``: microseconds UTC. Of the learned tokens alone, the first ``values`` numbers of a node: hashed keys and
    features follow, whose sizes say nothing. Of at most 2,000 nodes of each side, evenly spread over the graph's order:
    the same graph gives the same numbers.
    """
    graph = graph.to(model.device)
    encoded = encode_graph(model.encoding, model.schema, graph)
    table, seeds, ranker = model.ranker.input_table(encoded), model.schema.seeds, model.ranker
    sampler = Sampler(encoded.graph, ranker.hops, model.largest_fan_out)
    values, found = ranker.config.graph_tokens * ranker.config.width, {}
    for side, node, tokens in (
        ("member", seeds.member, ranker.member_tokens),
        ("item", seeds.item, ranker.item_tokens),
    ):
        count = graph.schema.node(node).count
        chosen = torch.arange(min(count, MOST), device=graph.device) * count // max(min(count, MOST), 1)
        parts = [
            tokens(encoded, sampler.tree(node, part, torch.full_like(part, as_of)), table).flatten(1).cpu().numpy()
            for part in chosen.split(_BATCH)
            if len(part)
        ]
        vectors = np.concatenate(parts) if parts else np.empty((0, values))
        found[side] = {"values": values, **norms_of(vectors[:, :values])}
    return found


def norms_of(vectors: np.ndarray) -> dict[str, Any]:
    """Mean, deviation and five quantiles of the norms of vectors (rows, width), as strict JSON; none without rows."""
    norms = np.sort(np.linalg.norm(np.asarray(vectors, dtype=np.float64), axis=1))
    if not len(norms):
        return {"rows": 0}
    places = (np.array(QUANTILES) * len(norms)).astype(np.int64)
    figures = {"mean": float(norms.mean()), "deviation": float(norms.std()), "quantiles": norms[places].tolist()}
    return {"rows": len(norms), **figures}
