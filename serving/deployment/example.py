"""Example requests: of the training set, also as a curl command, or of a version's bundle alone."""

import json
import shlex
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.compute as compute
import pyarrow.parquet as parquet

from models.spec import Spec, parse_spec
from models.time_units import iso
from serving.deployment.rollout import Address
from serving.versions.bundle import SPEC
from serving.versions.prior import FILE, Prior

_ITEMS = 5
_EXACT = 2**53
"""The largest integer that every reader of JSON keeps."""


def bundle_request(bundle: Path) -> dict[str, Any]:
    """Build a v1 document of what a bundle knows: its most shown items, its first surface, an unknown member."""
    spec = parse_spec((bundle / SPEC).read_text(encoding="utf-8"), str(bundle / SPEC))
    member, item = (spec.nodes[end.node].key_type for end in (spec.impressions.member, spec.impressions.item))
    items = Prior.read(bundle / FILE).most_shown(_ITEMS) or [0 if item == "int" else "0"]
    context = {"surface": spec.impressions.surfaces[0]}
    return {"instances": [{"member": 0 if member == "int" else "0", "items": items, "context": context}]}


def example_request(spec: Spec, training_set: Path, endpoint: Address, time: int) -> str:
    """Build a ``curl`` command that ranks for the training set's last member, at ``time`` (microseconds UTC)."""
    document = json.dumps({"instances": [example_instance(spec, training_set, time)]})
    header = shlex.quote("content-type: application/json")
    return f"curl -s {shlex.quote(endpoint.url)} -H {header} -d {shlex.quote(document)}"


def example_instance(spec: Spec, training_set: Path, time: int) -> dict[str, Any]:
    """Build an instance from the last impression of ``training_set/impressions.parquet`` and five recent items.

    ``time`` replaces the impression's own time: the store returns nothing newer than the request. Integer keys are text
    where one is beyond 2^53, so that they survive wherever the example is pasted.
    """
    shown = spec.impressions
    named = [shown.member.column, shown.item.column, shown.surface, shown.time]
    named += [feature.name for feature in shown.typed_given]
    table = parquet.read_table(training_set / "impressions.parquet", columns=list(dict.fromkeys(named)))
    table = table.sort_by([(shown.time, "descending")]).slice(0, 200)
    row = table.slice(0, 1).to_pylist()[0]
    context = {name: row[name] for name in shown.context if row[name] is not None}
    member, items = row[shown.member.column], compute.unique(table[shown.item.column]).to_pylist()[:_ITEMS]
    texts = any(isinstance(key, int) and abs(key) > _EXACT for key in (member, *items))
    instance = {
        "member": str(member) if texts else member,
        "items": [str(key) for key in items] if texts else items,
        "context": {"surface": row[shown.surface], "time": iso(time), **context},
    }
    if shown.candidate_context:
        newest = compute.index_in(pyarrow.array(items, table[shown.item.column].type), table[shown.item.column])
        rows = table.take(newest)
        instance["candidates"] = {name: rows[name].to_pylist() for name in shown.candidate_context}
    return instance
