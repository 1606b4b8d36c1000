"""The registry's champion as a KFP artifact."""

from kfp import dsl

from components.image import component


@component
def champion(spec: dsl.Input[dsl.Artifact], services: dict, model: dsl.Output[dsl.Model]) -> str:
    """Download the champion; its version is the output. Fails with the next step where there is none."""
    from pathlib import Path

    from components.step import Step
    from serving.versions.registry import Registry, model_name

    with Step("champion", spec, services) as step:
        registry = Registry(step.services.tracking_uri)
        name = model_name(step.spec)
        version = registry.require_champion(name)
        registry.download(name, version, Path(model.path))
        return version
