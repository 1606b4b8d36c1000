"""Component: whether a training may start, or is frozen by a data fault that the monitors found."""

from kfp import dsl

from components.image import component


@component
def permission(spec: dsl.Input[dsl.Artifact], services: dict, ignore_freeze: bool = False) -> str:
    """Return go, or frozen if the newest verdict is a data fault; ``ignore_freeze``: a person says to go on.

    The run then ends well, without a training.
    """
    from components.step import Step, say

    with Step("permission", spec, services) as step:
        from monitoring.verdicts import check_not_frozen

        reason = check_not_frozen(step.spec, step.services.storage)
        if reason is None:
            return "go"
        if ignore_freeze:
            say(f"  --ignore-freeze: {reason}")
            return "go"
        step.ledger.note("frozen", reason)
        say(f"  {reason}")
        return "frozen"
