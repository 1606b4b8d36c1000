"""The steps that every pipeline begins with, up to the training set, and the report as their exit handler."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from kfp import dsl

from components.build_graph import build_graph
from components.champion import champion
from components.ingest import ingest
from components.materialize import materialize
from components.report import report
from components.retrieve import retrieve
from pipelines.resources import heavy, imported, light, stateful


class Prepared(NamedTuple):
    """The outputs of the common steps, as KFP artifacts."""

    run: dict[str, Any]
    """Inputs of every step: ``services``, and ``job``, which KFP replaces by its id of the run."""
    spec: Any
    """The resolved spec: ingest has put the dates of the windows into it."""
    tables: Any
    training_set: Any
    model: Any
    """The champion's model; None unless the pipeline starts from the champion."""
    version: Any
    """The champion's version, likewise."""

    def graph(self, spec: Any = None) -> Any:
        """Add the step that builds a graph, of ``spec`` if given, else of the pipeline's spec; return its artifact."""
        built = build_graph(spec=spec or self.spec, **self.run, tables=self.tables, training_set=self.training_set)
        return heavy(built).outputs["graph"]


@contextmanager
def prepared(spec: Any, product: Any, services: Any, data: Any, from_champion: bool = False) -> Iterator[Prepared]:
    """Add the common steps to the pipeline that is being defined; steps of the block run under the same exit handler.

    The arguments are the pipeline's parameters of the same names. ``from_champion``: download the champion before
    anything else, so that a product without one fails at once.
    """
    run = {"services": services, "job": dsl.PIPELINE_JOB_ID_PLACEHOLDER}
    exit_task = light(stateful(report(spec=spec, product=product, **run)))
    with dsl.ExitHandler(exit_task, name="pipeline"):
        own = imported(spec)
        best = light(stateful(champion(spec=own, **run))) if from_champion else None
        ingested = heavy(stateful(ingest(spec=own, **run, data=data)))
        if best is not None:
            ingested.after(best)
        tables, dated = ingested.outputs["tables"], ingested.outputs["resolved"]
        applied = heavy(stateful(materialize(spec=dated, **run, tables=tables)))
        retrieved = heavy(stateful(retrieve(spec=dated, **run, tables=tables).after(applied)))
        model, version = (best.outputs["model"], best.outputs["Output"]) if best is not None else (None, None)
        yield Prepared(run, dated, tables, retrieved.outputs["training_set"], model, version)
