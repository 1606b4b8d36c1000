"""What a step would have told the ledger, read from its artifacts where KFP took them from its cache."""

import json
from pathlib import Path

from monitoring.documents import read_json
from monitoring.ledger import Ledger

GRAPH = "graph"


def recover_graph(ledger: Ledger, graph: Path) -> None:
    """Note the counts of a graph's nodes and edges, if no step of this run has."""
    if not ledger.has(GRAPH):
        ledger.note(GRAPH, read_json(graph / "manifest.json")["counts"])


def recover_curves(ledger: Ledger, model: Path) -> None:
    """Keep the training curves of a model, if no step of this run has kept any."""
    if ledger.has_curves():
        return
    training = json.loads((model / "training.json").read_text(encoding="utf-8"))
    for epoch, values in enumerate(training.get("selection", training).get("history", []), start=1):
        ledger.series(values, epoch)
