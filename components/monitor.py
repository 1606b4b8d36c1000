"""Component: judge what was served; measure drift between training and serving, click-through rate, calibration."""

from kfp import dsl

from components.image import component


@component
def monitor(
    spec: dsl.Input[dsl.Artifact],
    services: dict,
    tables: dsl.Input[dsl.Dataset],
    training_set: dsl.Input[dsl.Dataset],
    evaluation: dsl.Input[dsl.Dataset],
    page: dsl.Output[dsl.HTML],
    metrics: dsl.Output[dsl.Metrics],
    summary: dsl.Output[dsl.Markdown],
) -> None:
    """Compare what was served, or the test window if that is too little, with the train window.

    In the pipeline monitoring, the served days that have settled are judged too, and the verdict is written to the
    storage. The step ends well whatever the verdict is.
    """
    import shutil
    import tempfile
    from dataclasses import replace
    from pathlib import Path

    from components.step import Step, say

    with Step("monitor", spec, services) as step, tempfile.TemporaryDirectory() as scratch:
        from components.acting import roles
        from components.finite import log_finite
        from components.joined import log_of
        from components.markdown import write
        from components.watched import keep_pages, node_features_of
        from models.clock import now
        from monitoring.watch import DRIFT, watch
        from serving.versions.registry import Registry, model_name

        folder = Path(scratch)
        registry = Registry(step.services.tracking_uri)
        log = replace(log_of(step.spec, step.services, registry, Path(tables.path)), retrieve=node_features_of(step))
        versions = roles(registry, model_name(step.spec))
        storage = step.services.storage if step.services.pipeline == "monitoring" else ""
        watched = watch(
            step.spec, log, Path(training_set.path), Path(evaluation.path), folder / DRIFT, now(), storage, versions
        )
        step.ledger.note("monitoring", watched.to_json())
        step.ledger.artifact(folder / DRIFT, DRIFT)
        shown = keep_pages(step, watched, folder) if storage else folder / DRIFT
        for line in watched.verdict_lines():
            say(f"  {line}")
        Path(page.path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(shown, page.path)
        log_finite(metrics, watched.metrics())
        write(summary, watched.to_markdown())
