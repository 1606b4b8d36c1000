"""Vectors of the versions that a run pushes: made once for each encoder, whichever versions share it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.acting import roles
from components.slots import versions_kept
from components.step import Step, say

if TYPE_CHECKING:
    from components.lease import Use
    from feature_repo.push import PushResult
    from models.graph.store import TemporalGraph


@dataclass
class Embedding:
    """One graph, embedded by several models as of one time."""

    step: Step
    store: Any
    """The Feast store."""
    graph: "TemporalGraph"
    folder: Path
    """Where the graph is stored."""
    as_of: int
    """Microseconds UTC."""
    use: "Use" = "keep"
    """What becomes of the lease after a push. Nobody waits for it while models embed."""
    warnings: list[str] = field(default_factory=list)
    """What was said of pushed vectors."""

    def push(self, model: Path, version: str, folder: Path) -> "PushResult":
        """Write the vectors that a model artifact makes to ``folder``; push them under ``version``.

        Warns of older vectors than those that serve, and of what is far from the profile that the model's bundle has.

        Raises as ``embed``, ``push`` and ``load_model``.
        """
        from feature_repo.push import push
        from models.training.artifact import load_model
        from models.training.devices import best_device
        from models.training.embed import embed
        from models.training.encoder import encoder_in

        step, rule = self.step, self.step.spec.serving.diversity
        creation = None if rule is None else rule.creation
        embed(load_model(model, best_device()), self.graph, self.as_of, folder, creation)
        with step.leased(self.use):
            found = push(self.store, step.spec, folder, version, encoder_in(model), versions_kept(step), step.lease)
        new = [*([found.older] if found.older else []), *_unlike(model, self.folder, folder)]
        for text in new:
            say(f"WARNING: version {version}: {text}")
        self.warnings += [f"version {version}: {text}" for text in new]
        return found

    def push_others(self, version: str, model: Path, scratch: Path) -> tuple[dict[str, str], dict[str, Exception]]:
        """Push the vectors of the other versions that serve or may serve again, once those of ``version`` are pushed.

        Each has the model of its own bundle; versions of one encoder, ``model``'s or another's, share its vectors. A
        version that fails, one without artifacts or for another schema, leaves the next ones to be pushed. Returns slot
        or error by version. Raises LeaseError and NotesError, after which none can be pushed.
        """
        from feature_repo.lease import LeaseError
        from feature_repo.notes import NotesError
        from feature_repo.slots import share
        from models.training.encoder import encoder_in
        from serving.versions.registry import Registry, model_name

        registry, name = Registry(self.step.services.tracking_uri), model_name(self.step.spec)
        pushed, slots, failed = {encoder_in(model): version}, dict[str, str](), dict[str, Exception]()
        for other in _in_order(roles(registry, name), versions_kept(self.step) - {version}):
            try:
                bundle = registry.download(name, other, scratch / f"bundle-{other}")
                encoder = encoder_in(bundle)
                if encoder in pushed:
                    with self.step.leased(self.use):
                        slots[other] = share(self.store, other, pushed[encoder], self.step.lease)
                else:
                    slots[other] = self.push(bundle, other, scratch / f"vectors-{other}").slot
                    pushed[encoder] = other
            except (LeaseError, NotesError):
                raise
            except Exception as error:  # whatever it is, the other versions need theirs
                say(f"WARNING: version {other} keeps the vectors it had: {type(error).__name__}: {error}")
                failed[other] = error
        return slots, failed


def _unlike(model: Path, graph: Path, vectors: Path) -> list[str]:
    """``unlike_profile``, and a sentence for a profile that cannot be read: the vectors are pushed by then."""
    from monitoring.errors import ProfileDocumentError
    from monitoring.profiles import unlike_profile

    try:
        return unlike_profile(model, graph, vectors)
    except ProfileDocumentError as error:
        return [f"the vectors were not compared with the version's profile: {error}"]


def failure(step: Step, failed: dict[str, Exception]) -> Exception | None:
    """The first error of a version that serves; None where at most the previous one has failed."""
    from serving.versions.registry import Registry, model_name

    if not failed:
        return None
    previous = Registry(step.services.tracking_uri).previous(model_name(step.spec))
    return next((error for version, error in failed.items() if version != previous), None)


def _in_order(role: dict[str, str], versions: set[str]) -> list[str]:
    """Versions by role, champion first and previous last; before that one those that serve without a role."""
    places = {"champion": 0, "canary": 1, "": 2, "previous": 3}
    of_version = {version: name for name, version in reversed(role.items())}
    return sorted(versions, key=lambda version: (places[of_version.get(version, "")], version))
