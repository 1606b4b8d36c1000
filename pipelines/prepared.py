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

COMMON = ["ingest", "materialize", "retrieve"]


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
    """The model of the version that the pipeline starts from; None if it starts from none."""
    version: Any
    """That version, likewise."""

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
def reported(spec: Any, product: Any, services: Any, steps: list[str]) -> Iterator[Any]:
    """Add the report as the exit handler of the pipeline that is being defined; yield the spec as an artifact.

    ``spec``, ``product`` and ``services`` are the pipeline's parameters of those names. ``steps``: the ledger's names
    of the block's steps that every run has, in their order, for the report.
    """
    exit_task = configured(report(spec=spec, product=product, services=services, steps=steps))
    with dsl.ExitHandler(exit_task, name="pipeline"):
        yield imported(spec)


def prepare(own: Any, services: Any, data: Any, version: Any = None) -> Prepared:
    """Add the common steps, of the spec ``own``.

    ``version``: download this version, "" = the champion, before anything else, so that a product without one fails at
    once; None = none.
    """
    run = {"services": services}
    fetched = None if version is None else configured(champion(spec=own, **run, version=version))
    ingested = configured(ingest(spec=own, **run, data=data))
    if fetched is not None:
        ingested.after(fetched)
    tables, dated = ingested.outputs["tables"], ingested.outputs["resolved"]
    applied = configured(materialize(spec=dated, **run, tables=tables))
    retrieved = configured(retrieve(spec=dated, **run, tables=tables).after(applied)).outputs
    model, found = (None, None) if fetched is None else (fetched.outputs["model"], fetched.outputs["Output"])
    return Prepared(run, dated, tables, retrieved["training_set"], retrieved["digest"], model, found)


@contextmanager
def prepared(
    spec: Any, product: Any, services: Any, data: Any, steps: list[str], from_champion: bool = False
) -> Iterator[Prepared]:
    """Add the report and the common steps; steps of the block run under the same exit handler.

    The arguments are the pipeline's parameters of the same names. ``steps``: those of the block, as in ``reported``.
    """
    expected = [*(["champion"] if from_champion else []), *COMMON, *steps]
    with reported(spec, product, services, expected) as own:
        yield prepare(own, services, data, "" if from_champion else None)
