"""Component: download the registry's champion, or another version, as a KFP artifact."""

from kfp import dsl

from components.image import component


@component
def champion(spec: dsl.Input[dsl.Artifact], services: dict, model: dsl.Output[dsl.Model], version: str = "") -> str:
    """Download the champion's model, or that of ``version``; return its version.

    Fails if there is no champion, saying what to do next.
    """
    from pathlib import Path

    from components.step import Step

    with Step("champion", spec, services) as step:
        from serving.versions.registry import Registry, model_name

        registry = Registry(step.services.tracking_uri)
        name = model_name(step.spec)
        chosen = version or registry.require_champion(name)
        registry.download(name, chosen, Path(model.path))
        return chosen
