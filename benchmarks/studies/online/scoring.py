"""Scores of a day's candidates: every member and item is encoded once, as the vectors of a refresh are."""

import numpy as np
import torch
from torch import Tensor

from models.graph.sample import Sampler
from models.graph.store import TemporalGraph
from models.graph.tree import Activities
from models.nn.clock import local_clock
from models.nn.encoded import EncodedGraph, encode_graph
from models.nn.family import Family
from models.nn.inputs import DecoderInputs
from models.time_units import SECOND
from models.training.artifact import Model
from models.training.batches import activity_age, last_activities, relative_time
from models.training.cold import cold_seeds

_BATCH = 4096


@torch.inference_mode()
def scores_with_vectors(model: Model, graph: TemporalGraph, rows: Tensor, as_of: int) -> np.ndarray:
    """Calibrated probabilities (n, tasks) float64 of the seeds ``rows`` (n,), with the vectors of ``as_of``.

    Tokens and activities of both sides are strictly before ``as_of``, microseconds UTC, counters and context as of each
    seed: the same as ``predict`` with a lag of the seed's time minus ``as_of``.
    """
    graph = graph.to(model.device)
    encoded, rows = encode_graph(model.encoding, model.schema, graph), rows.to(model.device)
    members, member = graph.seeds.member[rows].unique(return_inverse=True)
    items, item = graph.seeds.item[rows].unique(return_inverse=True)
    ranker, sampler = model.ranker, Sampler(graph, model.ranker.hops, model.largest_fan_out)
    ranker.eval()
    table, schema = ranker.input_table(encoded), graph.schema.seeds
    sides = [
        _members(ranker, encoded, sampler, part, torch.full_like(part, as_of), table) for part in members.split(_BATCH)
    ]
    tokens, contents, times, masks = (torch.cat(parts) for parts in zip(*sides, strict=True))
    of_items = torch.cat(
        [
            ranker.item_tokens(encoded, sampler.tree(schema.item, part, torch.full_like(part, as_of)), table)
            for part in items.split(_BATCH)
        ]
    )
    logits = []
    for place in torch.arange(len(rows), device=rows.device).split(_BATCH):
        row, who = rows[place], member[place]
        time = graph.seeds.time[row]
        hour, weekday = local_clock(time, schema.timezone_offset)
        none = torch.zeros_like(times[who])
        shown = Activities(edge=none, target=none, row=none, time=times[who], mask=masks[who])
        inputs = DecoderInputs(
            member_tokens=tokens[who],
            activity_tokens=contents[who],
            activity_age=activity_age(shown, time),
            activity_mask=masks[who],
            item_tokens=of_items[item[place]].unsqueeze(1),
            numbers=encoded.impression_numbers[row].unsqueeze(1),
            categories=encoded.impression_categories[row].unsqueeze(1),
            surface=encoded.surface[row],
            hour=hour,
            weekday=weekday,
            state_age=(time - as_of).float() / SECOND,
            activity_time=relative_time(shown, time),
        )
        logits.append(ranker(inputs).squeeze(1).float().cpu().numpy())
    return model.calibration.apply(np.concatenate(logits), cold_seeds(graph, rows, model.schema.seeds.exposures))


def _members(
    ranker: Family, encoded: EncodedGraph, sampler: Sampler, member: Tensor, time: Tensor, table: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Tokens (m, H, w), activity tokens (m, N, w), their times and mask (m, N) of some members."""
    activities = last_activities(ranker.activity_source(encoded.graph), member, time, ranker.sequence_length)
    tree = sampler.tree(encoded.graph.schema.seeds.member, member, time)
    contents = ranker.activity_tokens(encoded, activities, time, table)
    return ranker.member_tokens(encoded, tree, table), contents, activities.time, activities.mask
