"""``VersionProfile``: the document that is frozen with a version, and comparison of later rows with it."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from models.features import drifting_features
from models.files import sha256_of_json
from models.profile import UNUSABLE, ColumnProfiles, ColumnShift, compare_columns, profile_rows
from models.spec import Feature, Spec
from monitoring.documents import plain, read_json
from monitoring.errors import ProfileDocumentError

FORMAT = 2
FILE = "profile.json"
"""Its name in a bundle."""
ALL = "all"
"""Stands for every surface."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class VersionProfile:
    """What a version was trained and judged on. Parts that were not at hand are empty."""

    columns: ColumnProfiles
    """The impressions' columns in the train window."""
    growing: tuple[str, ...] = ()
    """Columns that only grow, such as exposures since the beginning: their values are not compared."""
    limits: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """By column the largest of a train day: ``null_now``, ``infinite_now``, ``new_share`` (``ColumnShift``), and
    ``most``, the share of the most frequent value."""
    labels: Mapping[str, Mapping[str, list[float]]] = field(default_factory=dict)
    """By task and surface (``all``, or 200 rows): the least and the largest rate of the label on a train day."""
    delay: Mapping[str, list[int]] = field(default_factory=dict)
    """By task: positive labels by delay, in the bins of ``DaySummary.labels``; none where the data has no delays."""
    predictions: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    """By task and surface (``all``, or 200 rows), over the days of the evaluation: the ends of ``mean`` and ``spread``,
    the largest ``most`` (``DaySummary.predictions``)."""
    calibration: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    """By task and surface (``all``): ``monitoring.statistics.calibration.Reference`` of the evaluation's days."""
    graph: Mapping[str, Any] = field(default_factory=dict)
    """``degree`` (edges by source node) by edge type, ``domains`` (share of all edges), ``cold``: shares of the
    impressions, after the first day of the train window, whose member or item no earlier day of it has."""
    embeddings: Mapping[str, Any] = field(default_factory=dict)
    """By side (member, item): the norms of its vectors (``models.training.norms``)."""

    def profile(self, rows: pa.Table, names: Iterable[str] | None = None) -> ColumnProfiles:
        """Profile later rows in this profile's bins: to be merged, and compared by ``compare``.

        ``names``: the columns to profile; None = all of this profile's. Raises ProfileError for a missing column.
        """
        wanted = self.columns.columns if names is None else [name for name in names if name in self.columns.columns]
        kinds = {name: self.columns.columns[name]["kind"] for name in wanted}
        return profile_rows(rows, [Feature(name, kind, 1) for name, kind in kinds.items()], self.columns)

    def compare(self, current: ColumnProfiles) -> dict[str, ColumnShift]:
        """How far each column is from the train window. Values of columns that grow are not compared."""
        found = compare_columns(self.columns, current)
        return {name: _of_growing(shift) if name in self.growing else shift for name, shift in found.items()}

    @property
    def digest(self) -> str:
        """Of ``columns``: versions with the same one were trained on the same rows."""
        return sha256_of_json(plain(dict(self.columns.columns)))

    def figures(self) -> dict[str, Any]:
        """What monitors compare the figures of a day with, as strict JSON."""
        parts = {name: getattr(self, name) for name in ("limits", "labels", "delay", "predictions", "calibration")}
        return plain({**parts, "cold": self.graph.get("cold", {})})

    def to_json(self) -> dict[str, Any]:
        """Convert to strict JSON."""
        return plain({"format": FORMAT, **asdict(self), "columns": dict(self.columns.columns)})

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "VersionProfile":
        """Read what ``to_json`` wrote. Raises ProfileDocumentError for anything else."""
        try:
            parts = dict(document)
            if (found := parts.pop("format")) != FORMAT:
                raise ValueError(f"format {found}")
            parts["columns"], parts["growing"] = ColumnProfiles(dict(parts["columns"])), tuple(parts["growing"])
            return cls(**parts)
        except (KeyError, TypeError, ValueError) as error:
            raise ProfileDocumentError(
                f"profile of a version: expected format {FORMAT}, as VersionProfile.to_json writes it; found "
                f"{error!r}. Train a version with this release"
            ) from None


def read_profile(bundle: Path) -> VersionProfile | None:
    """The profile in a version's bundle (a folder); None in a bundle of release 0.1, and for one of another format.

    Raises ProfileDocumentError for one that is damaged.
    """
    path = bundle / FILE
    if not path.is_file():
        return None
    try:
        document = read_json(path)
    except ValueError as error:
        raise ProfileDocumentError(
            f"{path}: expected JSON, as VersionProfile.to_json writes it; found {error}. Train a version with this "
            "release"
        ) from None
    found = document.get("format") if isinstance(document, dict) else None
    if isinstance(found, int) and found != FORMAT:
        text = "%s: expected format %d; found %d. It counts as none until a version is trained with this release"
        _log.warning(text, FILE, FORMAT, found)
        return None
    return VersionProfile.from_json(document)


def compared_features(spec: Spec) -> list[Feature]:
    """The columns of impressions that are compared: the decoder's features but clocks, and ``surface``."""
    return [*drifting_features(spec), Feature("surface", "category", 1)]


def growing_columns(spec: Spec) -> tuple[str, ...]:
    """Columns that only grow as time passes: exposures of counters without a window."""
    return tuple(f"{name}_exposures" for name, counter in spec.counters.items() if counter.window is None)


def _of_growing(shift: ColumnShift) -> ColumnShift:
    kept = tuple(change for change in shift.changes if change.what in UNUSABLE)
    return replace(
        shift,
        psi=0.0,
        js=0.0,
        wasserstein=0.0,
        new_share=0.0,
        new_values=(),
        distance=shift.distance and 0.0,
        changes=kept,
    )
