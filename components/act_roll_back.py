"""Component: take the traffic back from the canary, or else from the champion."""

from kfp import dsl

from components.image import component


@component
def roll_back(spec: dsl.Input[dsl.Artifact], services: dict, summary: dsl.Output[dsl.Markdown]) -> None:
    """Do what `python -m serving rollback` does, once per action however often the step is repeated.

    Where people have changed what serves since it was decided, the action is recorded as overtaken.
    """
    from components.step import Step, say

    with Step("roll back", spec, services, lease="give back") as step:
        from components.acting import action_of, roles
        from components.endpoint_target import open_target
        from components.markdown import write
        from monitoring.acting import overtaken
        from monitoring.action import finish
        from serving.deployment.once import roll_back_once
        from serving.deployment.rollout import Rollout
        from serving.versions.registry import Registry, model_name

        name, registry = model_name(step.spec), Registry(step.services.tracking_uri)
        action = action_of(step)
        why = overtaken(action, roles(registry, name))
        if why is not None:
            finish(step.open_notes(), step.services.run, why)
            say(f"  {why}")
            write(summary, "# Not rolled back", why)
            return
        target = open_target(step, name, registry)
        gone = roll_back_once(Rollout(target, registry, name, step.check_lease), registry, name, action.versions)
        serves, address = target.version(), target.address()
        step.ledger.note("endpoint", {"url": address.url, "grpc": address.grpc, "version": serves, "percent": 100})
        say(f"  version {gone} has no traffic any more; version {serves} serves at {address.url}")
        write(summary, f"# Rolled back: {name} version {gone}", f"Version {serves} serves at {address.url}.")
