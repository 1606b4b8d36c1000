"""The definition of a study: its rows, its lines and its own sections."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks.studies.evaluation import Evaluation
from benchmarks.studies.fitting import Setting
from benchmarks.studies.picture import Panel
from benchmarks.studies.row import Row
from models.graph.store import TemporalGraph


@dataclass(frozen=True)
class Study:
    """The definition of one study."""

    name: str
    title: str
    about: str
    """Introduction in Markdown: what is compared and how to read it."""
    reference: str
    """The reference line."""
    rows: Callable[[TemporalGraph, Namespace, Setting], list[Row]]
    add_options: Callable[[ArgumentParser], None] = lambda parser: None
    """Adds the study's own options to the command."""
    lines: Callable[[Row], Mapping[str, dict[str, str] | None]] = lambda row: {row.name: None}
    """The table's lines for one row, with the states (``Line.of``) that each covers; None = one line of the row's name.
    Rows with a line of the same name are combined, each for its states."""
    sections: Callable[[Evaluation, TemporalGraph, Namespace], list[str]] = lambda evaluation, graph, options: []
    """The study's own tables in Markdown, before the common tables."""
    panels: Callable[[Evaluation, Namespace], list[Panel]] | None = None
    """The chart; None = each line's difference to the reference."""
    tables: bool = True
    """Whether the common tables are shown: metrics, intervals, differences, parts."""
