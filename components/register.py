"""Component: register a trained model as a new version, with the gate's verdict on it."""

from kfp import dsl

from components.image import component


@component
def register(
    spec: dsl.Input[dsl.Artifact],
    services: dict,
    tables: dsl.Input[dsl.Dataset],
    training_set: dsl.Input[dsl.Dataset],
    graph: dsl.Input[dsl.Dataset],
    model: dsl.Input[dsl.Model],
    evaluation: dsl.Input[dsl.Dataset],
    version: dsl.OutputPath(str),  # type: ignore[valid-type]
    verdict: dsl.Output[dsl.Markdown],
    job: str = "",
) -> str:
    """Judge the model on the gate window; log it as a version (alias candidate) with metrics, verdict and digests.

    Returns the decision, because kfp.local 2.17 does not resolve a condition on a named output.
    """
    import json
    import tempfile
    from pathlib import Path

    from components.markdown import write
    from components.step import Step, say
    from models.files import sha256_of_file
    from monitoring.gate import judge_folder
    from serving.versions.bundle import write_bundle
    from serving.versions.prior import Prior
    from serving.versions.registry import BEST, GATE, WINDOWS, Registry, model_name

    with Step("register", spec, services, job) as step:
        registry = Registry(step.services.tracking_uri)
        name = model_name(step.spec)
        judged = judge_folder(step.spec, Path(evaluation.path))
        with tempfile.TemporaryDirectory() as scratch:
            inputs = {"tables": tables, "training_set": training_set, "graph": graph}
            data = {name: sha256_of_file(Path(artifact.path) / "manifest.json") for name, artifact in inputs.items()}
            measured = json.loads((Path(evaluation.path) / "metrics.json").read_text(encoding="utf-8"))
            bundle = write_bundle(
                Path(model.path),
                step.spec,
                {**measured, "gate": judged.to_json()},
                data,
                Path(scratch) / "bundle",
                Prior.fit(step.spec, Path(training_set.path)),
            )
            best = {} if judged.best is None else {BEST: judged.best}
            tags = {"run": step.services.run, GATE: judged.decision, WINDOWS: step.spec.windows.dates, **best}
            number = registry.log_version(name, bundle, tags)
        step.ledger.note("verdict", {**judged.to_json(), "version": number})
        say(f"  version {number} of {name}: {judged.decision}; " + "; ".join(judged.reasons))
        write(verdict, f"# Gate: {judged.decision}", *[f"- {reason}" for reason in judged.reasons])
        Path(version).parent.mkdir(parents=True, exist_ok=True)
        Path(version).write_text(number, encoding="utf-8")
        return judged.decision
