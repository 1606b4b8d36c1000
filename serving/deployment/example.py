"""A request that the endpoint can answer, taken from the data, as a line for a shell."""

import json
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.compute as compute
import pyarrow.parquet as parquet

from models.spec import Spec
from serving.deployment.endpoint import Endpoint

_ITEMS = 5


def example_request(spec: Spec, training_set: Path, endpoint: Endpoint, time: int) -> str:
    """A ``curl`` line that ranks, at ``time`` (microseconds UTC), for the member shown last in the training set."""
    document = json.dumps({"instances": [example_instance(spec, training_set, time)]})
    header = shlex.quote("content-type: application/json")
    return f"curl -s {shlex.quote(endpoint.url)} -H {header} -d {shlex.quote(document)}"


def example_instance(spec: Spec, training_set: Path, time: int) -> dict[str, Any]:
    """The last impression of ``training_set/impressions.parquet``, with some items that were shown before it.

    Its own time would not do: the store shows nothing that is later than the request.
    """
    shown = spec.impressions
    named = [shown.member.column, shown.item.column, shown.surface, shown.time, *shown.context]
    table = parquet.read_table(training_set / "impressions.parquet", columns=list(dict.fromkeys(named)))
    table = table.sort_by([(shown.time, "descending")]).slice(0, 200)
    row = table.slice(0, 1).to_pylist()[0]
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time)
    context = {name: row[name] for name in shown.context if row[name] is not None}
    return {
        "member": row[shown.member.column],
        "items": compute.unique(table[shown.item.column]).to_pylist()[:_ITEMS],
        "context": {"surface": row[shown.surface], "time": moment.isoformat(), **context},
    }
