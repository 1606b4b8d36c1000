"""Vector age: until when the vectors of a served version know events, against the spec's ``serving.max_age``."""

from datetime import timedelta
from pathlib import Path

from feature_repo.notes import NotesError
from feature_repo.slots import pushed_until
from feature_repo.store import open_notes
from feature_repo.views.errors import NotAppliedError
from models.clock import now, readable
from models.spec import SpecError, parse_spec
from models.spec.serving import MaxAge
from models.time_units import SECOND
from serving.deployment.record import Worker
from serving.settings.settings import Settings
from serving.versions.bundle import SPEC


def vector_age(worker: Worker, clock: int | None = None) -> str:
    """One line about the vectors of a version on this machine; ``clock`` in microseconds UTC, None = now.

    The limit is that of the version's own spec. Without the version's files there is none to compare with.
    """
    settings = Settings.read(Path(worker.settings))
    try:
        until = pushed_until(open_notes(Path(settings.store_config)), worker.version)
    except (NotAppliedError, NotesError) as error:
        return f"version {worker.version}: age of the vectors unknown: {error}"
    if not until:
        return f"version {worker.version}: no vectors in the store, so it could not be started again"
    age = max((now() if clock is None else clock) - until, 0)
    line = f"version {worker.version}: vectors know events until {readable(until)}, "
    line += f"{timedelta(seconds=age // SECOND)} ago"
    limits = _limits(Path(settings.bundle))
    if limits.vectors_span is None:
        return f"{line} (no limit)"
    if age > limits.vectors_span:
        return f"{line}: older than the limit of {limits.vectors}, flagged stale. Run the pipeline refresh"
    return f"{line} (limit: {limits.vectors})"


def _limits(bundle: Path) -> MaxAge:
    """The limits of a bundle's spec; none if it cannot be read, which the server reports itself."""
    try:
        return parse_spec((bundle / SPEC).read_text(encoding="utf-8"), str(bundle / SPEC)).serving.max_age
    except (OSError, UnicodeError, SpecError):
        return MaxAge()
