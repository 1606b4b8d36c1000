"""Component: a new calibration of the champion's weights, fitted and judged on what it served."""

from kfp import dsl

from components.image import component


@component
def recalibrate(
    spec: dsl.Input[dsl.Artifact],
    services: dict,
    tables: dsl.Input[dsl.Dataset],
    version: dsl.OutputPath(str),  # type: ignore[valid-type]
    verdict: dsl.Output[dsl.Markdown],
) -> str:
    """Register the champion's weights with a new calibration, on the champion's vectors; return promote or hold.

    The rows are the settled ones that the champion has served since the day on which the verdict's cause began. A
    repetition finds the version that it has registered.
    """
    from pathlib import Path

    from components.step import Step, say

    with Step("recalibrate", spec, services, lease="keep") as step:
        from components.markdown import write
        from components.recalibration import recalibrated
        from models.files import write_text

        found = recalibrated(step, Path(tables.path))
        step.ledger.note("verdict", {**found.verdict, "version": found.version})
        say(f"  version {found.version}: {found.decision}. " + " ".join(found.verdict["reasons"]))
        write(verdict, f"# Calibration: {found.decision}", *[f"- {reason}" for reason in found.verdict["reasons"]])
        write_text(Path(version), found.version)
        return found.decision
