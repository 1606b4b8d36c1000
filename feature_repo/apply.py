"""Apply definitions to Feast's registry."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from feature_repo.applied import add_product, read_applied, write_applied
from feature_repo.definitions import build
from feature_repo.packed.keys import view_prefix
from feature_repo.packed.layout import layout_of
from feature_repo.quality import forget
from feature_repo.slots import forget_slots
from feature_repo.stream.plan import TAG, read_plan
from feature_repo.views.errors import DefinitionError, NotAppliedError
from feature_repo.views.pushed import RECENT, VECTOR_COLUMNS, prepare
from models.features import SLOTS, vector_view
from models.spec import Spec, SpecError
from models.storage import remove

_log = logging.getLogger(__name__)


def apply(store: Any, spec: Spec, tables: Path, address: str, pushed: str) -> None:
    """Register the spec's definitions in the store's project, delete obsolete ones, and note what was applied.

    ``tables`` is a copy of the canonical tables on this machine. What is registered is their ``address``, and that of
    the pushed views' files: absolute paths, or URIs if other machines have to read them.

    Another source of the product starts with empty views, since its keys mean something else. So does a view whose
    columns, counter or activity edges have changed; the next materialize run fills it. Raises NotAppliedError if a
    table is missing, or the project is another product's; DefinitionError if a view's rows are ambiguous.
    """
    objects = build(spec, address, pushed)
    for view in _views(objects):
        if view.stream_source is None:
            _check_rows(view, tables)
    if _other_source(store, spec):
        forget(store)  # before the deletion: a kill in between then leads to a full write
        forget_slots(store)
        with _one_refresh(store):
            store.apply([], objects_to_delete=_registered(store), partial=False)
        remove(pushed)
    add_product(store, spec.name)
    prepare(spec, pushed)
    stale = _stale(store, objects)
    changed = _changed(store, objects)
    forget(store, [*(view.name for view in _views(stale)), *changed])
    gone = {*changed, *(view.name for view in _views(stale))}
    forget_slots(store, [slot for slot in SLOTS if gone & {vector_view(kind, slot) for kind in VECTOR_COLUMNS}])
    with _one_refresh(store):
        store.apply(objects, objects_to_delete=stale, partial=False)
    _clear(store, changed)
    write_applied(store, spec, address, pushed)


@contextmanager
def _one_refresh(store: Any) -> Iterator[None]:
    """Within this context Feast reads its registry anew at the end of ``apply`` only, not after each object as well."""
    registry = store.registry
    mode, registry.cache_mode = registry.cache_mode, "thread"
    try:
        yield
    finally:
        registry.cache_mode = mode


def _other_source(store: Any, spec: Spec) -> bool:
    """Whether another source of the product was applied, or one that this release cannot read.

    Raises NotAppliedError if another product was: then the store was opened with the wrong project.
    """
    try:
        previous = read_applied(store)
    except SpecError:
        return True
    if previous is not None and previous.spec.name != spec.name:
        raise NotAppliedError(
            f"project {store.project}: expected the features of {spec.name}; found those of {previous.spec.name}. Open "
            "the store with the product's own project (feature_repo.store.project_of)"
        )
    return previous is not None and previous.spec.source != spec.source


def _views(objects: list[Any]) -> list[Any]:
    from feast import FeatureView

    return [item for item in objects if isinstance(item, FeatureView)]


def _check_rows(view: Any, tables: Path) -> None:
    """The view's file exists, and no two rows of a key share their event (and created) time."""
    source = view.batch_source
    file = tables / PurePosixPath(source.path).name
    if not file.is_file():
        raise NotAppliedError(f"{file}: expected the table of view {view.name}; found no such file. Ingest first")
    columns = [*_join_keys(view), source.timestamp_field]
    if source.created_timestamp_column:
        columns.append(source.created_timestamp_column)
    table = pq.read_table(file, columns=columns)
    duplicates = table.num_rows - _distinct(table, columns)
    if duplicates:
        raise DefinitionError(
            f"view {view.name}: expected rows that differ in {', '.join(columns)}; found {duplicates} that do not. "
            "Name a `created` column in the spec that tells them apart, or keep one of them in the adapter"
        )


def _registered(store: Any) -> list[Any]:
    """Everything in the registry except Feast's placeholder entity."""
    from feast.feature_view import DUMMY_ENTITY_NAME

    entities = [entity for entity in store.list_entities() if entity.name != DUMMY_ENTITY_NAME]
    return [*store.list_feature_views(), *entities, *store.list_data_sources()]


def _stale(store: Any, objects: list[Any]) -> list[Any]:
    """What is in the registry but not in the new definitions."""
    from feast import Entity, FeatureView

    views = _views(objects)
    sources = {view.batch_source.name for view in views} | {v.stream_source.name for v in views if v.stream_source}
    names = {FeatureView: {v.name for v in views}, Entity: {o.name for o in objects if isinstance(o, Entity)}}
    return [old for old in _registered(store) if old.name not in names.get(type(old), sources)]


def _changed(store: Any, objects: list[Any]) -> list[str]:
    """Views whose online rows change their meaning: other columns, counters or activity edges."""
    old, new = ({view.name: view for view in views} for views in (store.list_feature_views(), _views(objects)))
    both = [name for name in new if name in old]
    changed = {name for name in both if layout_of(old[name]).digest != layout_of(new[name]).digest}
    before, after = _stream_contents(old), _stream_contents(new)
    changed |= {name for name in both if name in before and name in after and before[name] != after[name]}
    return sorted(changed)


def _stream_contents(views: dict[str, Any]) -> dict[str, Any]:
    """What the event plans say about the views that the stream writes, by view."""
    contents: dict[str, Any] = {}
    for plan in (read_plan(view.tags[TAG]) for view in views.values() if TAG in view.tags):
        contents[RECENT] = (plan.edges, plan.last)
        if plan.impressions:
            residual = plan.impressions.residual
            contents |= {one.name: (one, residual if one.residual else None) for one in plan.impressions.counters}
            contents |= {snapshot.name: residual for snapshot in residual.snapshots} if residual else {}
    return contents


def _clear(store: Any, views: list[str]) -> None:
    """Delete the rows of views and their event logs; the next materialize run writes them again."""
    from feature_repo.stores.online.bulk import rows_of

    for view in views:
        rows = rows_of(store).delete(view_prefix(store.project, view))
        _log.info("view %s has changed: %d rows deleted online; materialize writes it again", view, rows)


def _join_keys(view: Any) -> list[str]:
    return [column.name for column in view.entity_columns]


def _distinct(table: pa.Table, columns: list[str]) -> int:
    return table.group_by(columns).aggregate([]).num_rows
