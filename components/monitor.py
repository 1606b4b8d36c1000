"""Component: measure drift between training and serving, click-through rate and calibration."""

from kfp import dsl

from components.image import component


@component
def monitor(
    spec: dsl.Input[dsl.Artifact],
    services: dict,
    training_set: dsl.Input[dsl.Dataset],
    evaluation: dsl.Input[dsl.Dataset],
    page: dsl.Output[dsl.HTML],
    metrics: dsl.Output[dsl.Metrics],
    summary: dsl.Output[dsl.Markdown],
) -> None:
    """Compare served impressions, or the test window if there are too few, with the train window."""
    from pathlib import Path

    from components.step import Step

    with Step("monitor", spec, services) as step:
        from components.markdown import write
        from monitoring.watch import watch

        watched = watch(
            step.spec,
            Path(training_set.path),
            Path(evaluation.path),
            step.services.served,
            Path(page.path),
        )
        step.ledger.note("monitoring", watched.to_json())
        step.ledger.artifact(Path(page.path), "drift.html")
        for name, value in watched.metrics().items():
            metrics.log_metric(name, value)
        write(summary, watched.to_markdown())
