"""Bins and their counts say the same as the rows themselves."""

import numpy as np
import pytest

from monitoring.leaks.alone import bins_of, rates
from monitoring.leaks.parts import Part
from monitoring.leaks.tables import Table

KINDS = ("continuous", "few", "rounded")


def column(random: np.random.Generator, kind: str, rows: int) -> np.ndarray:
    values = random.normal(size=rows) if kind != "few" else random.integers(0, 9, rows).astype(float)
    return np.where(random.random(rows) < 0.2, np.nan, np.round(values, 1) if kind == "rounded" else values)


def part_of(random: np.random.Generator, rows: int, strata: bool = False) -> Part:
    labels = np.where(random.random(rows) < 0.1, np.nan, random.random(rows) < 0.4)
    window, known = random.random(rows), ~np.isnan(labels)
    groups = random.integers(0, 2, rows) if strata else None
    return Part("t", None, labels, (window < 0.5) & known, (window > 0.7) & known, random.integers(0, 20, rows), groups)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [0, 1, 7, 400])
def test_a_bin_begins_at_each_value_or_at_quantiles(kind: str, rows: int) -> None:
    random = np.random.default_rng(rows)
    values, part = column(random, kind, rows), part_of(random, rows)
    given = values[part.learn & ~np.isnan(values)]
    edges = np.unique(given)
    if len(edges) > 64:
        edges = np.unique(np.quantile(given, np.linspace(0, 1, 65)[1:-1]))
    known = (part.learn | part.held) & ~np.isnan(values)
    expected = np.where(known, np.searchsorted(edges, values, side="right") + 1, 0)
    bins, count = bins_of(values, False, part.learn, part.held)
    assert count == len(edges) + 2
    np.testing.assert_array_equal(bins, expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("strata", [False, True])
def test_the_area_of_counts_is_that_of_the_rows(kind: str, strata: bool) -> None:
    random = np.random.default_rng(3)
    values, part = column(random, kind, 3000), part_of(random, 3000, strata)
    bins, count = bins_of(values, False, part.learn, part.held)
    table = Table.of(part, bins, count)
    scores = rates(bins, count, part.labels, part.learn)
    np.testing.assert_array_equal(table.held_scores(), scores[part.held])
    assert table.held_area() == pytest.approx(part.area(part.held, scores[part.held]), abs=1e-12)
    crossed = np.empty(3000)
    for half in (0, 1):
        own = part.learn & (part.members % 2 == half)
        crossed[own] = rates(bins, count, part.labels, part.learn & ~own)[own]
    np.testing.assert_array_equal(table.learn_scores(), crossed[part.learn])
    assert table.learn_area() == pytest.approx(part.area(part.learn, crossed[part.learn]), abs=1e-12)


def test_one_class_has_no_area() -> None:
    part = part_of(np.random.default_rng(5), 0)
    assert np.isnan(Table.of(part, np.zeros(0, np.int64), 2).held_area())
