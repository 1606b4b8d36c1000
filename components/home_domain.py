"""Component: the spec whose model sees the home domain's edges alone."""

from kfp import dsl

from components.image import component


@component
def home_domain(spec: dsl.Input[dsl.Artifact], services: dict, single: dsl.Output[dsl.Artifact], job: str = "") -> None:
    """Write the spec with ``domains`` set to its home domain."""
    from components.specs import write_artifact
    from components.step import Step

    with Step("home domain", spec, services, job) as step:
        write_artifact(step.spec.model_copy(update={"domains": [step.spec.home_domain]}), single)
