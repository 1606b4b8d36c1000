"""Component: compare a single-domain with a cross-domain model, the ablation of the paper."""

from kfp import dsl

from components.image import component


@component
def compare(
    spec: dsl.Input[dsl.Artifact],
    services: dict,
    tables: dsl.Input[dsl.Dataset],
    single_graph: dsl.Input[dsl.Dataset],
    single_model: dsl.Input[dsl.Model],
    cross_graph: dsl.Input[dsl.Dataset],
    cross_model: dsl.Input[dsl.Model],
    summary: dsl.Output[dsl.Markdown],
) -> None:
    """Score the test window with both models; print both AUCs and the paired interval of their difference."""
    from pathlib import Path

    from components.step import Step, say

    with Step("compare", spec, services) as step:
        from components.markdown import write
        from components.recovered import recover_curves, recover_graph
        from monitoring.comparison import compare_models, table

        result = compare_models(
            step.spec,
            single=(Path(single_graph.path), Path(single_model.path)),
            cross=(Path(cross_graph.path), Path(cross_model.path)),
            tables=Path(tables.path),
        )
        step.ledger.note("comparison", result)
        recover_graph(step.ledger, Path(cross_graph.path))
        recover_curves(step.ledger, Path(cross_model.path))
        for line in table(result).splitlines():
            say(line)
        write(summary, "# Single-domain against cross-domain", f"```\n{table(result)}\n```")
