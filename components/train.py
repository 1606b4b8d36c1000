"""Component: temporal graph -> trained, calibrated model."""

from kfp import dsl

from components.image import training_component


@training_component
def train(
    spec: dsl.Input[dsl.Artifact],
    services: dict,
    graph: dsl.Input[dsl.Dataset],
    model: dsl.Output[dsl.Model],
    metrics: dsl.Output[dsl.Metrics],
    digest: dsl.OutputPath(str),  # type: ignore[valid-type]
    inputs: str = "",
    gpus: str = "0",
    trainer: dict = {},  # noqa: B006 - the default of a KFP parameter, never mutated
) -> None:
    """Fit on train with early stopping on validate, then on both.

    On ``gpus`` GPUs, a process each; "0": one process, on a GPU if there is one. With ``trainer``, which
    has fields of ``components.train_job.Nodes``, on those nodes. Cached: ``inputs`` is the digest of spec and graph,
    ``digest`` that of spec and model.
    """
    from pathlib import Path

    from components.step import Step

    with Step("train", spec, services) as step:
        from components.digests import write_digest
        from components.finite import log_finite
        from components.train_job_run import run_training
        from models.storage import join
        from models.training.job import Job

        # Outside this run's artifacts, so that the next run resumes a training that was killed.
        checkpoint = join(step.services.storage, "checkpoints", step.spec.name)
        job = Job(Path(graph.path), Path(model.path), step.spec.model, step.spec.training, checkpoint)
        summary = run_training(job, gpus, trainer, step, step.ledger.series)
        model.metadata["epochs"] = summary["epochs"]
        log_finite(metrics, summary)
        write_digest(digest, step.spec, [model.path])
