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
from pipelines.resources import configured, imported


class Prepared(NamedTuple):
    """The outputs of the common steps, as KFP artifacts."""

    run: dict[str, Any]
    """Inputs of every step: ``services``."""
    spec: Any
    """The resolved spec: ingest has put the dates of the windows into it."""
    tables: Any
    training_set: Any
    digest: Any
    """Of spec, tables and training set."""
    model: Any
    """The champion's model; None unless the pipeline starts from the champion."""
    version: Any
    """The champion's version, likewise."""

    def graph(self, spec: Any = None, inputs: Any = None) -> tuple[Any, Any]:
        """Add the step that builds a graph, of the pipeline's spec or of a ``spec`` with the digest ``inputs``.

        Returns its artifact, and the digest of it and the spec.
        """
        built = build_graph(
            spec=spec or self.spec,
            **self.run,
            tables=self.tables,
            training_set=self.training_set,
            inputs=inputs or self.digest,
        )
        outputs = configured(built, cached=True).outputs
        return outputs["graph"], outputs["digest"]


@contextmanager
def prepared(
    spec: Any, product: Any, services: Any, data: Any, steps: list[str], from_champion: bool = False
) -> Iterator[Prepared]:
    """Add the common steps to the pipeline that is being defined; steps of the block run under the same exit handler.

    The arguments are the pipeline's parameters of the same names. ``steps``: the ledger's names of the block's steps
    that every run has, in their order, for the report. ``from_champion``: download the champion before anything else,
    so that a product without one fails at once.
    """
    run = {"services": services}
    expected = [*(["champion"] if from_champion else []), "ingest", "materialize", "retrieve", *steps]
    exit_task = configured(report(spec=spec, product=product, **run, steps=expected))
    with dsl.ExitHandler(exit_task, name="pipeline"):
        own = imported(spec)
        best = configured(champion(spec=own, **run)) if from_champion else None
        ingested = configured(ingest(spec=own, **run, data=data))
        if best is not None:
            ingested.after(best)
        tables, dated = ingested.outputs["tables"], ingested.outputs["resolved"]
        applied = configured(materialize(spec=dated, **run, tables=tables))
        retrieved = configured(retrieve(spec=dated, **run, tables=tables).after(applied)).outputs
        model, version = (best.outputs["model"], best.outputs["Output"]) if best is not None else (None, None)
        yield Prepared(run, dated, tables, retrieved["training_set"], retrieved["digest"], model, version)
