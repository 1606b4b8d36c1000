"""Component: train a promoted model once more, on newer days too, its trees as well, and check the new weights."""

from kfp import dsl

from components.image import training_component


@training_component
def refit(
    spec: dsl.Input[dsl.Artifact],
    services: dict,
    graph: dsl.Input[dsl.Dataset],
    model: dsl.Input[dsl.Model],
    evaluation: dsl.Input[dsl.Dataset],
    serving: dsl.Output[dsl.Model],
    check: dsl.Output[dsl.Artifact],
    summary: dsl.Output[dsl.Markdown],
    gpus: str = "0",
    trainer: dict = {},  # noqa: B006 - the default of a KFP parameter, never mutated
) -> None:
    """Write the model that serves: a refit where it passes the check on the gate window's last day, else ``model``.

    ``check`` is the document of ``monitoring.refit.RefitCheck``. ``gpus`` and ``trainer`` as in `train`.
    """
    import shutil
    from pathlib import Path

    from components.step import Step, say

    with Step("refit", spec, services) as step:
        from components.markdown import write
        from components.train_job_run import run_training
        from models.boosting.fit import refit_trees
        from models.graph.store import TemporalGraph
        from models.storage import join
        from models.training.errors import DivergedError
        from models.training.files import write_json
        from models.training.job import Job
        from monitoring.refit import check_refit, untrained

        # Outside this run's artifacts, so that the next run resumes a training that was killed.
        checkpoint = join(step.services.storage, "checkpoints", f"{step.spec.name}-refit")
        target, until = Path(serving.path), step.spec.last_gate_day.start
        try:
            job = Job(Path(graph.path), target, checkpoint=checkpoint, judged=Path(model.path), until=until)
            run_training(job, gpus, trainer, step)
            refit_trees(TemporalGraph.load(Path(graph.path)), Path(model.path), until, target)
            found = check_refit(step.spec, Path(graph.path), Path(evaluation.path), target)
        except DivergedError as error:
            found = untrained(step.spec, str(error))
        if not found.serves:
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(model.path, target)
        write_json(Path(check.path), found.to_json())
        for reason in found.reasons:
            say(f"  {reason}")
        write(summary, f"# Refit: {'serves' if found.serves else 'does not serve'}", *[f"- {r}" for r in found.reasons])
