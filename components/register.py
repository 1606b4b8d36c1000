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
    serving: dsl.Input[dsl.Model] = None,
    check: dsl.Input[dsl.Artifact] = None,
) -> str:
    """Judge the model on the gate window; log it as a version (alias candidate) with metrics, verdict, profile, data.

    Returns the decision, since kfp.local 2.17 resolves no condition on a named output: promote, hold, or refit (first).
    Then ``version`` is "", and the step is run again with the outputs ``serving`` and ``check`` of `refit`.
    """
    import tempfile
    from pathlib import Path

    from components.step import Step, say

    with Step("register", spec, services) as step:
        from components.acting import action_tags
        from components.markdown import write
        from components.recovered import recover_curves
        from models.files import sha256_of_file, write_text
        from monitoring.documents import read_json
        from monitoring.gate import judge_folder
        from monitoring.profiles import build_profile
        from monitoring.refit import with_check
        from serving.versions.bundle import write_bundle
        from serving.versions.prior import Prior
        from serving.versions.registry import BEST, GATE, WINDOWS, Registry, model_name

        recover_curves(step.ledger, Path(model.path))
        registry, name, number = Registry(step.services.tracking_uri), model_name(step.spec), ""
        judged, serves, kept = judge_folder(step.spec, Path(evaluation.path)), Path(model.path), None
        decision = "refit" if judged.promoted and step.spec.gate.refit and check is None else judged.decision
        if check is not None:
            judged, passed = with_check(judged, Path(check.path))
            serves, kept = (Path(serving.path), serves) if passed else (serves, None)
        if decision != "refit":
            inputs = {"tables": tables, "training_set": training_set, "graph": graph}
            data = {name: sha256_of_file(Path(artifact.path) / "manifest.json") for name, artifact in inputs.items()}
            metrics = {**read_json(Path(evaluation.path) / "metrics.json"), "gate": judged.to_json()}
            prior = Prior.fit(step.spec, Path(training_set.path))
            parts = [training_set.path, evaluation.path, graph.path, *([] if kept is None else [check.path])]
            profile = build_profile(step.spec, *map(Path, parts)).to_json()
            tags = {"run": step.services.run, GATE: decision, WINDOWS: step.spec.windows.dates}
            tags |= action_tags(step) | ({BEST: judged.best} if judged.best else {})
            with tempfile.TemporaryDirectory() as scratch:
                bundle = write_bundle(serves, step.spec, metrics, data, Path(scratch) / "bundle", prior, kept, profile)
                number = registry.log_version(name, bundle, tags)
        step.ledger.note("verdict", {**judged.to_json(), **({"version": number} if number else {})})
        say(f"  {f'version {number} of ' if number else ''}{name}: {decision}. " + " ".join(judged.reasons))
        write(verdict, f"# Gate: {decision}", *[f"- {reason}" for reason in judged.reasons])
        write_text(Path(version), number)
        return decision
