"""Requested views: what Feast requests of each view, translated to the column names of the files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from feast.feature_view import DUMMY_ENTITY_ID, FeatureView

from feature_repo.stores.errors import UnsupportedError
from feature_repo.stores.offline.location import Location, locate
from models.time_units import duration


@dataclass(frozen=True)
class RequestedView:
    """A feature view in a request. Names are those of the files, unless stated otherwise."""

    name: str
    location: Location
    keys: tuple[tuple[str, str], ...]
    """(column, column of the entity rows)."""
    features: tuple[tuple[str, str], ...]
    """(column, column of the result)."""
    time: str
    created: str | None
    ttl: int | None
    """Microseconds; None: rows never expire."""
    known_by_then: bool
    """Only rows whose created time is at or before the entity row's time count."""


def requested_views(
    views: Sequence[FeatureView],
    references: Sequence[str],
    repo_path: Path | None,
    full_feature_names: bool,
    known_by_then: bool,
) -> list[RequestedView]:
    """The views with the features that ``references`` ("view:feature") name, and Feast's names for the result.

    Raises UnsupportedError for a view whose source is not Parquet files.
    """
    return [_requested(view, references, repo_path, full_feature_names, known_by_then) for view in views]


def _requested(
    view: FeatureView, references: Sequence[str], repo_path: Path | None, full_feature_names: bool, known_by_then: bool
) -> RequestedView:
    source = view.batch_source
    if source is None:
        raise UnsupportedError(f"view {view.name}: expected a batch source; found none. Give it a FileSource")
    in_file = {renamed: column for column, renamed in source.field_mapping.items()}
    reference = f"{view.projection.name_to_use()}:"
    features = [name.removeprefix(reference) for name in references if name.startswith(reference)]
    prefix = f"{view.projection.name_alias or view.name}__" if full_feature_names else ""
    keys = [column.name for column in view.entity_columns if column.name != DUMMY_ENTITY_ID]
    return RequestedView(
        name=view.name,
        location=locate(source, repo_path),
        keys=tuple((in_file.get(key, key), view.projection.join_key_map.get(key, key)) for key in keys),
        features=tuple((in_file.get(feature, feature), prefix + feature) for feature in dict.fromkeys(features)),
        time=in_file.get(source.timestamp_field, source.timestamp_field),
        created=in_file.get(source.created_timestamp_column, source.created_timestamp_column) or None,
        ttl=duration(view.ttl) if view.ttl else None,
        known_by_then=known_by_then,
    )
