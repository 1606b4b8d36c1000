"""The spec: one YAML per product, from which all tables, features and models are derived (docs/spec.md)."""

from models.spec.columns import check_columns
from models.spec.counters import Counter, Measure
from models.spec.edges import Affinity, Densification, Edge, EdgeEnd, PageRank
from models.spec.errors import SpecError
from models.spec.gate import Gate
from models.spec.impressions import Column, Impressions, Oracle, Task
from models.spec.load import load_spec, parse_spec
from models.spec.nodes import Feature, Node, View
from models.spec.schema import Source, Spec
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
