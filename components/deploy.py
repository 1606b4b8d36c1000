"""Component: deploy a version that passed the gate, as the champion or as a canary next to it."""

from kfp import dsl

from components.image import component


@component
def deploy(
    spec: dsl.Input[dsl.Artifact],
    services: dict,
    training_set: dsl.Input[dsl.Dataset],
    version: str,
    endpoint: dsl.Output[dsl.Markdown],
    canary_percent: int = 0,
) -> None:
    """Serve the version on this machine or as an InferenceService, wait until it is ready, then make it the champion.

    With ``canary_percent`` (1 to 99; -1: that of the spec's ``monitoring``) the version gets that share of the traffic
    and the champion stays; without a champion it is ignored. A version that the gate compared with another champion
    than today's is refused. If the version does not become ready, the previous one keeps serving, on its own vectors.
    """
    from pathlib import Path

    from components.step import Step, say

    with Step("deploy", spec, services, lease="give back") as step:
        from components.acting import end_action
        from components.endpoint_target import all_visible, open_target
        from components.markdown import write
        from serving.deployment.example import example_request
        from serving.deployment.rollout import Rollout
        from serving.versions.registry import Registry, model_name

        name, examples = model_name(step.spec), Path(training_set.path)
        time, registry = all_visible(step, version), Registry(step.services.tracking_uri)
        rollout = Rollout(open_target(step, name, registry, examples, time), registry, name, step.check_lease)
        percent = step.spec.monitoring.canary_percent if canary_percent == -1 else canary_percent
        share = percent if registry.champion(name) not in (None, version) else 0
        if share:
            running = rollout.begin(version, share)
        else:
            rollout.check(version)  # while this run trained, another may have changed the champion
            running = rollout.deploy(version)
        end_action(step.services, step.spec.name)  # what a person changes from now on is not changed back
        curl = example_request(step.spec, examples, running, time)
        facts = {
            "options": step.services.options,
            "url": running.url,
            "grpc": running.grpc,
            "version": version,
            "percent": share or 100,
            "curl": curl,
        }
        step.ledger.note("endpoint", facts)
        summary = f"version {version} serves at {running.url}"
        if share:
            summary = f"version {version} has {share} % of the traffic at {running.url}"
            summary += f"; next: python -m serving status {step.services.options}, then promote or rollback"
        say(f"  {summary}")
        write(endpoint, f"# {name} version {version}", summary, f"```\n{curl}\n```")
