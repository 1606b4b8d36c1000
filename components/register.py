"""A trained model -> a version in the registry, and the gate's verdict on it."""

from typing import NamedTuple

from kfp import dsl

from components.image import component


@component
def register(
    spec: str,
    services: dict,
    tables: dsl.Input[dsl.Dataset],
    graph: dsl.Input[dsl.Dataset],
    model: dsl.Input[dsl.Model],
    evaluation: dsl.Input[dsl.Dataset],
    verdict: dsl.Output[dsl.Markdown],
) -> NamedTuple("Registered", [("version", str), ("decision", str)]):  # type: ignore[valid-type]
    """Log the version (alias candidate) with everything that explains it; judge it on the gate window."""
    from pathlib import Path

    from monitoring.gate import judge_folder
    from serving.registry import Registry, model_name
    from serving.release import assemble

    from components.markdown import write
    from components.step import Step, say

    with Step("register", spec, services) as step:
        registry = Registry(step.services.tracking_uri)
        name = model_name(step.spec)
        judged = judge_folder(step.spec, Path(evaluation.path), champion=registry.champion(name))
        with assemble(
            step.spec, Path(model.path), Path(evaluation.path), Path(tables.path), Path(graph.path), judged.to_json()
        ) as release:
            version = registry.log_version(name, release, {"run": step.services.run, "gate": judged.decision})
        step.ledger.note("verdict", {**judged.to_json(), "version": version})
        say(f"  version {version} of {name}: {judged.decision}; " + "; ".join(judged.reasons))
        write(verdict, f"# Gate: {judged.decision}", *[f"- {reason}" for reason in judged.reasons])
        return (version, judged.decision)  # type: ignore[return-value]
