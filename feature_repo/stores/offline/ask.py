"""What Feast asks for, view by view, in the names of the files."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from feast.feature_view import DUMMY_ENTITY_ID, FeatureView

from feature_repo.stores.errors import UnsupportedError
from feature_repo.stores.offline.join import AskedView
from feature_repo.stores.offline.location import locate

_MICROSECOND = timedelta(microseconds=1)


def asked_views(
    views: Sequence[FeatureView],
    references: Sequence[str],
    repo_path: Path | None,
    full_feature_names: bool,
    known_by_then: bool,
) -> list[AskedView]:
    """The views with the features that ``references`` ("view:feature") name, in Feast's names for the answer.

    Raises UnsupportedError for a view whose source is not Parquet files.
    """
    return [_asked(view, references, repo_path, full_feature_names, known_by_then) for view in views]


def _asked(
    view: FeatureView, references: Sequence[str], repo_path: Path | None, full_feature_names: bool, known_by_then: bool
) -> AskedView:
    source = view.batch_source
    if source is None:
        raise UnsupportedError(f"view {view.name}: expected a batch source; found none. Give it a FileSource")
    in_file = {renamed: column for column, renamed in source.field_mapping.items()}
    reference = f"{view.projection.name_to_use()}:"
    features = [asked.removeprefix(reference) for asked in references if asked.startswith(reference)]
    prefix = f"{view.projection.name_alias or view.name}__" if full_feature_names else ""
    keys = [column.name for column in view.entity_columns if column.name != DUMMY_ENTITY_ID]
    return AskedView(
        name=view.name,
        location=locate(source, repo_path),
        keys=tuple((in_file.get(key, key), view.projection.join_key_map.get(key, key)) for key in keys),
        features=tuple((in_file.get(feature, feature), prefix + feature) for feature in dict.fromkeys(features)),
        time=in_file.get(source.timestamp_field, source.timestamp_field),
        created=in_file.get(source.created_timestamp_column, source.created_timestamp_column) or None,
        ttl=view.ttl // _MICROSECOND if view.ttl else None,
        known_by_then=known_by_then,
    )
