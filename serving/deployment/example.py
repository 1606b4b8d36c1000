"""Example request: built from the training set, as a curl command."""

import json
import shlex
from pathlib import Path
from typing import Any

import pyarrow.compute as compute
import pyarrow.parquet as parquet

from models.spec import Spec
from models.time_units import iso
from serving.deployment.endpoint import Endpoint

_ITEMS = 5


def example_request(spec: Spec, training_set: Path, endpoint: Endpoint, time: int) -> str:
    """Build a ``curl`` command that ranks for the training set's last member, at ``time`` (microseconds UTC)."""
    document = json.dumps({"instances": [example_instance(spec, training_set, time)]})
    header = shlex.quote("content-type: application/json")
    return f"curl -s {shlex.quote(endpoint.url)} -H {header} -d {shlex.quote(document)}"


def example_instance(spec: Spec, training_set: Path, time: int) -> dict[str, Any]:
    """Build an instance from the last impression of ``training_set/impressions.parquet`` and five recent items.

    ``time`` replaces the impression's own time: the store returns nothing newer than the request.
    """
    shown = spec.impressions
    named = [shown.member.column, shown.item.column, shown.surface, shown.time, *shown.context]
    table = parquet.read_table(training_set / "impressions.parquet", columns=list(dict.fromkeys(named)))
    table = table.sort_by([(shown.time, "descending")]).slice(0, 200)
    row = table.slice(0, 1).to_pylist()[0]
    context = {name: row[name] for name in shown.context if row[name] is not None}
    return {
        "member": row[shown.member.column],
        "items": compute.unique(table[shown.item.column]).to_pylist()[:_ITEMS],
        "context": {"surface": row[shown.surface], "time": iso(time), **context},
    }
