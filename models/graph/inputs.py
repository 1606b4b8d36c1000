"""Checks of all files of a build, as named by the spec, before an engine reads them."""

from collections.abc import Sequence
from pathlib import Path

from models.columns import FROZEN, IMPRESSIONS, TWINS
from models.features import FROZEN_TIME, VALID_FROM, edge_attributes, impression_features, node_features
from models.graph.files import check_numbers, check_times
from models.spec import Feature, Spec


def check_inputs(spec: Spec, tables: Path, training_set: Path) -> None:
    """Raise GraphInputError for columns of times and numbers that a graph cannot hold.

    Engines differ in how they treat invalid times. A graph stores numbers as float32: numbers that do not survive that
    are refused.
    """
    shown = spec.impressions
    for edge in spec.active_edges().values():
        path = tables / f"{edge.table}.parquet"
        check_times(path, [edge.time])
        check_numbers(path, _numbers(edge_attributes(edge)))
    for node in spec.nodes:
        if features := node_features(spec, node):
            path = training_set / f"versions_{node}.parquet"
            check_times(path, [VALID_FROM])
            check_numbers(path, _numbers(features))
    of_rows, of_frozen = [shown.time, shown.settled], [FROZEN_TIME]
    moments = {IMPRESSIONS: of_rows, FROZEN: of_frozen}
    for side in twin_sides(training_set):
        rows, frozen = TWINS[side]
        moments |= {rows: of_rows, frozen: of_frozen}
    for name, times in moments.items():
        path = training_set / f"{name}.parquet"
        check_times(path, times)
        check_numbers(path, _numbers(impression_features(spec)))


def twin_sides(training_set: Path) -> list[str]:
    """The sides, out of item and member, on which the training set has cold twins."""
    return [side for side, (table, _) in TWINS.items() if (training_set / f"{table}.parquet").is_file()]


def _numbers(features: Sequence[Feature]) -> list[str]:
    return [feature.name for feature in features if feature.kind in ("number", "vector")]
