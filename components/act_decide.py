"""Component: the newest verdict -> the action that this run takes, recorded before it begins."""

from kfp import dsl

from components.image import component


@component
def decide(
    spec: dsl.Input[dsl.Artifact],
    services: dict,
    version: dsl.OutputPath(str),  # type: ignore[valid-type]
    summary: dsl.Output[dsl.Markdown],
    mode: str = "",
) -> str:
    """Decide what is done about the newest verdict; record it as begun in the notes of the online store.

    ``mode``: off, dry_run or on; empty: that of the spec (``monitoring.act``). Returns nothing, frozen, recalibrate,
    retrain, roll_back, or deploy: the rest of a retraining that was killed, whose ``version`` was registered.
    """
    from pathlib import Path

    from components.step import Step, say

    def lease(own):  # type: ignore[no-untyped-def]
        """A dry run changes nothing, and must not wait for a training that has the lease."""
        from components.acting import lease_of

        return lease_of(own, mode)

    with Step("decide", spec, services, lease=lease) as step:
        from components import acting
        from components.markdown import write
        from models.files import write_text

        found = acting.decide(step, mode)
        step.ledger.note("act", found._asdict())
        say(f"  {found.kind}: {found.reason}")
        write(summary, f"# Action: {found.kind}", found.reason)
        write_text(Path(version), found.version)
        return found.kind
