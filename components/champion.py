"""Component: download the registry's champion as a KFP artifact."""

from kfp import dsl

from components.image import component


@component
def champion(spec: dsl.Input[dsl.Artifact], services: dict, model: dsl.Output[dsl.Model]) -> str:
    """Download the champion's model; return its version. Fails if there is no champion, saying what to do next."""
    from pathlib import Path

    from components.step import Step

    with Step("champion", spec, services) as step:
        from serving.versions.registry import Registry, model_name

        registry = Registry(step.services.tracking_uri)
        name = model_name(step.spec)
        version = registry.require_champion(name)
        registry.download(name, version, Path(model.path))
        return version
