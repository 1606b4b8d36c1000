"""A version that passed the gate -> champion, answering at the endpoint."""

from kfp import dsl

from components.image import component


@component
def deploy(
    spec: str,
    services: dict,
    training_set: dsl.Input[dsl.Dataset],
    version: str,
    endpoint: dsl.Output[dsl.Markdown],
) -> None:
    """Start the endpoint on the version, wait until it is healthy, then make the version the champion.

    Where it does not come up, what was served before goes on, over its own vectors.
    """
    from pathlib import Path

    from components.markdown import write
    from components.step import Step, say
    from feature_repo.push import check_pushed, pushed_until
    from feature_repo.store import write_resolved
    from serving.endpoint import up
    from serving.example import example_request
    from serving.registry import Registry, model_name

    with Step("deploy", spec, services) as step:
        name = model_name(step.spec)
        features, configuration = step.services.feature_folder, Path(step.services.feature_store)
        check_pushed(features, version)
        resolved = write_resolved(configuration, features)
        running = up(step.services.folder, step.services.tracking_uri, name, version, store_config=resolved)
        Registry(step.services.tracking_uri).promote(name, version)
        curl = example_request(step.spec, Path(training_set.path), running, pushed_until(features, version) + 1)
        step.ledger.note("endpoint", {"url": running.url, "grpc": running.grpc, "version": version, "curl": curl})
        say(f"  version {version} answers at {running.url}")
        write(endpoint, f"# {name} version {version}", f"{running.url}", f"```\n{curl}\n```")
