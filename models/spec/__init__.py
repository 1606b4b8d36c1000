"""The spec: one YAML per product, from which everything else is derived (docs/architecture.md, section 2)."""

from models.spec.columns import check_columns
from models.spec.counters import Counter, Measure
from models.spec.edges import Affinity, Densification, Edge, EdgeEnd, PageRank
from models.spec.errors import SpecError
from models.spec.load import load_spec, parse_spec
from models.spec.schema import (
    Column,
    Feature,
    Gate,
    Impressions,
    Node,
    Oracle,
    Source,
    Spec,
    Task,
    View,
)
from models.spec.windows import Window, Windows

__all__ = [
    "Affinity",
    "Column",
    "Counter",
    "Densification",
    "Edge",
    "EdgeEnd",
    "Feature",
    "Gate",
    "Impressions",
    "Measure",
    "Node",
    "Oracle",
    "PageRank",
    "Source",
    "Spec",
    "SpecError",
    "Task",
    "View",
    "Window",
    "Windows",
    "check_columns",
    "load_spec",
    "parse_spec",
]
