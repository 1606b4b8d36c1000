"""What sampled negatives refer to: the tasks for which they are negatives, and a check of their names."""

from models.spec.errors import SpecError
from models.spec.schema import Spec


def negative_tasks(spec: Spec) -> dict[str, float | None]:
    """The tasks for which sampled rows are negatives, with their real rate (None = unknown); {} without sampling."""
    sampling = spec.impressions.sample_negatives
    if sampling is None:
        return {}
    labels = {task.label for name, task in spec.tasks.items() if task.primary or name in sampling.zero}
    return {name: sampling.real_rate.get(name) for name, task in spec.tasks.items() if task.label in labels}


def check_negatives(spec: Spec, file: str) -> None:
    """Check what sampled negatives refer to. Raises SpecError."""
    sampling, key = spec.impressions.sample_negatives, "impressions.sample_negatives"
    if sampling is None:
        return
    known = negative_tasks(spec)
    others = ", ".join(name for name, task in spec.tasks.items() if not task.primary) or "there is none"
    for place, name in enumerate(sampling.zero):
        if name not in spec.tasks or spec.tasks[name].primary:
            raise SpecError(file, f"{key}.zero.{place}", f"a task besides the primary one ({others})", repr(name))
    for name in sampling.real_rate:
        if name not in known:
            expected = f"a task for which negatives are drawn ({', '.join(known)})"
            raise SpecError(file, f"{key}.real_rate.{name}", expected, repr(name))
    if given := ", ".join(spec.impressions.candidate_context):
        expected = "none beside sampled negatives: what a request would say of an item that was not shown is unknown"
        raise SpecError(file, "impressions.candidate_context", expected, given)
    if spec.oracle:
        raise SpecError(file, "oracle", "none, since sampled rows have no true probability", repr(spec.oracle.table))
