"""A row's trees: one set of parameters, stopped early on the rows that are scored."""

from time import perf_counter

import numpy as np

from benchmarks.studies.collaborative.columns import STATES, Columns, Values
from benchmarks.studies.collaborative.rows import Row
from benchmarks.studies.evaluation import Line
from models.boosting.search import TaskRows, search


def fit_line(row: Row, columns: Columns, seeds: list[int], commit: str) -> Line:
    """Fit the row with every seed and score the validation rows, in both states."""
    kept = [place for place, name in enumerate(columns.names) if name not in row.left_out]
    categories = [kept.index(place) for place in columns.categories if place in kept]
    learn, score = columns.learn[:, kept], {state: columns.score[state][:, kept] for state in STATES}
    scores: dict[str, list[np.ndarray]] = {state: [] for state in STATES}
    notes = []
    for seed in seeds:
        started = perf_counter()
        parts = [_task(learn, score, columns, place, categories, seed) for place in range(columns.labels.shape[1])]
        for state in STATES:
            scores[state].append(np.stack([part[state] for part in parts], axis=1))
        seconds = perf_counter() - started
        notes.append({"row": row.name, "seed": seed, "seconds": seconds, "commit": commit, "device": "CPU"})
    return Line(row.name, scores, notes)


def _task(learn: np.ndarray, score: Values, columns: Columns, place: int, categories: list[int], seed: int) -> Values:
    """Probabilities of one task, (validation rows,) float64 by state."""
    held_out = TaskRows.of(score["as_of"], columns.stop[:, place], categories)
    every = np.concatenate([score[state] for state in STATES])
    found = search(TaskRows.of(learn, columns.labels[:, place], categories), held_out, every, seed, trials=1)
    return dict(zip(STATES, np.split(1 / (1 + np.exp(-found.logits)), len(STATES)), strict=True))
