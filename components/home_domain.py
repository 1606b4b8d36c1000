"""Component: the spec whose model sees the home domain's edges alone."""

from kfp import dsl

from components.image import component


@component
def home_domain(
    spec: dsl.Input[dsl.Artifact],
    services: dict,
    single: dsl.Output[dsl.Artifact],
    digest: dsl.OutputPath(str),  # type: ignore[valid-type]
    inputs: str = "",
) -> None:
    """Write the spec with ``domains`` set to its home domain.

    Cached: ``inputs`` is the digest of the spec and of the data that go with it, ``digest`` that of both with the spec
    that is written.
    """
    from components.step import Step

    with Step("home domain", spec, services) as step:
        from components.digests import write_digest
        from components.specs import write_artifact

        own = step.spec.model_copy(update={"domains": [step.spec.home_domain]})
        write_artifact(own, single)
        write_digest(digest, own, given=inputs)
