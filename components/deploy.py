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
    """Start the endpoint on the version, wait until it is healthy, then make the version the champion.

    With ``canary_percent`` (1 to 99) the version gets that share of the traffic and the champion stays; without a
    champion it is ignored. If the version does not become healthy, the previous one keeps serving, on its own vectors.
    """
    from pathlib import Path

    from components.markdown import write
    from components.step import Step, say
    from feature_repo.push import check_pushed, pushed_until
    from feature_repo.quality import last_seen
    from feature_repo.store import write_resolved
    from serving.deployment.endpoint import canary, up
    from serving.deployment.example import example_request
    from serving.versions.registry import Registry, model_name

    with Step("deploy", spec, services) as step:
        name = model_name(step.spec)
        features, configuration = step.services.feature_folder, Path(step.services.feature_store)
        check_pushed(features, version)
        resolved = write_resolved(configuration, features)
        folder, uri = step.services.folder, step.services.tracking_uri
        registry = Registry(uri)
        share = canary_percent if registry.champion(name) not in (None, version) else 0
        if share:
            running = canary(folder, uri, name, version, share, store_config=resolved)
        else:
            running = up(folder, uri, name, version, store_config=resolved)
            registry.promote(name, version)
        time = max(pushed_until(features, version), last_seen(features)) + 1  # everything online is visible then
        curl = example_request(step.spec, Path(training_set.path), running, time)
        facts = {"url": running.url, "grpc": running.grpc, "version": version, "percent": share or 100, "curl": curl}
        step.ledger.note("endpoint", facts)
        summary = f"version {version} serves at {running.url}"
        if share:
            summary = f"version {version} has {share} % of the traffic at {running.url}"
            summary += "; next: python -m serving status, then promote or rollback"
        say(f"  {summary}")
        write(endpoint, f"# {name} version {version}", summary, f"```\n{curl}\n```")
