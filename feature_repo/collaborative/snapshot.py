"""One snapshot: everything that all members of a cut share, fitted to its pairs, and its form in a file."""

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from feature_repo.collaborative.base import fit_base, member_effects, residuals
from feature_repo.collaborative.events import Pairs
from feature_repo.collaborative.low_rank import item_factors
from feature_repo.collaborative.neighbors import Neighbors, cosine_neighbors, ease_neighbors
from feature_repo.collaborative.user_user import exposure_factors
from models.collaborative.plan import EASE, ITEM_ITEM, LOW_RANK, POSITIVE, USER_USER, CollaborativePlan
from models.counters.ragged import Ragged
from models.files import sha256_of_json


@dataclass(frozen=True)
class Snapshot:
    """The item side of a cut; the members' rows follow from it and from their pairs."""

    mean: np.float32
    """The mean outcome."""
    effects: np.ndarray
    """(I,) float32."""
    factors: np.ndarray
    """(I, rank) float32; no columns without low_rank."""
    values: np.ndarray
    """(rank,) float32: the singular values of the factors."""
    seen: np.ndarray
    """(I, rank) float32: factors of an item that a member saw; no columns without user_user."""
    shown: np.ndarray
    """(I, rank) float32: those of an item to be shown."""
    neighbors: dict[str, tuple[Ragged, np.ndarray]]
    """By kind: I rows of hashes of items, ascending, and the weights that belong to their values, float32."""

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The snapshot as named arrays of any shape."""
        arrays = {"mean": np.array([self.mean], np.float32), "effects": self.effects}
        arrays |= {"factors": np.ascontiguousarray(self.factors), "values": self.values}
        arrays |= {"seen": self.seen, "shown": self.shown}
        for kind, (hashes, weights) in self.neighbors.items():
            arrays |= {f"{kind}.offsets": hashes.offsets, f"{kind}.hashes": hashes.values, f"{kind}.weights": weights}
        return arrays

    def id(self, plan: CollaborativePlan) -> int:
        """A number, int64, of what was fitted with which settings: rows with another one do not combine."""
        found = hashlib.sha256(sha256_of_json(settings(plan)).encode())
        for name, values in sorted(self.to_arrays().items()):
            found.update(f"{name} {values.dtype} {values.shape}\n".encode())
            found.update(np.ascontiguousarray(values).data)
        return int.from_bytes(found.digest()[:8], "little", signed=True)

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> "Snapshot":
        """The inverse of ``to_arrays``. Raises KeyError for a shape of another release."""
        kinds = [name.removesuffix(".offsets") for name in arrays if name.endswith(".offsets")]
        neighbors = {
            kind: (Ragged(arrays[f"{kind}.offsets"], arrays[f"{kind}.hashes"]), arrays[f"{kind}.weights"])
            for kind in kinds
        }
        mean = np.float32(arrays["mean"][0])
        factors, values, seen, shown = (arrays[name] for name in ("factors", "values", "seen", "shown"))
        return cls(mean, arrays["effects"], factors, values, seen, shown, neighbors)


def settings(plan: CollaborativePlan) -> dict[str, Any]:
    """The settings that a fit depends on beside its pairs."""
    return {key: value for key, value in asdict(plan).items() if key not in ("delay", "history")}


def fit(plan: CollaborativePlan, pairs: Pairs) -> Snapshot:
    """Fit the snapshot of the pairs. Raises SnapshotError."""
    mean, effects = fit_base(pairs)
    factors, values = np.zeros((len(effects), 0), np.float32), np.zeros(0, np.float32)
    seen = shown = factors
    every = matrix(pairs, np.ones(len(pairs.item), np.float32))
    if {LOW_RANK, USER_USER} & set(plan.kinds):
        left = matrix(pairs, residuals(pairs, mean, member_effects(pairs, mean, effects), effects))
        if LOW_RANK in plan.kinds:
            factors, values = item_factors(left, plan.rank)
        if USER_USER in plan.kinds:
            seen, shown = exposure_factors(every, left, plan.rank)
    found: dict[str, Neighbors] = {}
    if ITEM_ITEM in plan.kinds:
        found[ITEM_ITEM] = cosine_neighbors(every, plan.neighbors)
    liked = pairs.where(pairs.positive)
    positive = matrix(liked, np.ones(len(liked.item), np.float32))
    if POSITIVE in plan.kinds:
        found[POSITIVE] = cosine_neighbors(positive, plan.neighbors)
    if EASE in plan.kinds:
        found[EASE] = ease_neighbors(plan.name, positive, plan.neighbors)
    hashed = {kind: _by_hash(neighbors, pairs.item_hashes) for kind, neighbors in found.items()}
    return Snapshot(mean, effects, factors, values, seen, shown, hashed)


def matrix(pairs: Pairs, values: np.ndarray, first: int = 0, last: int | None = None) -> Any:
    """CSR of the members from ``first`` to before ``last`` by all items; ``values`` (P,) float32.

    It shares the pairs' memory: it must not be changed in place.
    """
    from scipy.sparse import csr_matrix

    last = len(pairs.members) if last is None else last
    bounds = np.searchsorted(pairs.member, np.arange(first, last + 1))
    span = slice(bounds[0], bounds[-1])
    return csr_matrix((values[span], pairs.item[span], bounds - bounds[0]), shape=(last - first, len(pairs.items)))


def _by_hash(neighbors: Neighbors, hashes: np.ndarray) -> tuple[Ragged, np.ndarray]:
    """Neighbors by their hashes, in ascending order within each row."""
    rows, weights = neighbors
    found = hashes[rows.values]
    order = np.lexsort((found, np.repeat(np.arange(len(rows)), rows.lengths)))
    return Ragged(rows.offsets, found[order]), weights[order]
