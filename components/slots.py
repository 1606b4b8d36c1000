"""The versions whose vectors a run has to keep, and whether they leave a slot for those that it will push."""

from components.step import Step


def versions_kept(step: Step) -> set[str]:
    """The versions that serve or may have to, by the registry; on this machine also those that the endpoint serves."""
    from serving.deployment.endpoint import served_versions
    from serving.versions.registry import Registry, model_name

    kept = Registry(step.services.tracking_uri).serving(model_name(step.spec))
    return kept if step.state is None else kept | served_versions(step.state)


def slots_warning(step: Step) -> str | None:
    """What to do before a new version's vectors are pushed, hours later, if no slot is free for them now; else None."""
    from feature_repo.slots import all_taken

    taken = all_taken(step.open_notes(), versions_kept(step))
    if taken is None:
        return None
    return (
        f"WARNING: no slot is free, all hold vectors of versions that serve ({taken}). Promote the canary or roll it "
        "back before this run's step evaluate; if none is free later, the run fails at push embeddings"
    )
