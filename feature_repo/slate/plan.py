"""Slate plan: the views behind a reader's features and the source of each of their keys, resolved once."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from feature_repo.packed.keys import type_letter, view_prefix
from feature_repo.packed.layout import HEADER, TIMES_BYTES, WIDTHS, Layout, layout_of
from feature_repo.slate.errors import SlateFeatureError
from feature_repo.slate.query import KeyField

_EXAMPLES: dict[str, str | bytes] = {"string": "", "bytes": b""}


@dataclass(frozen=True)
class ViewRead:
    """One view, read once per slate or once per candidate."""

    name: str
    """Its name in feature references: the alias, or its own name."""
    layout: Layout
    prefix: bytes
    """The prefix of its row keys."""
    keys: tuple[str, ...]
    """Their names in a request, one for each of ``layout.keys``."""
    features: tuple[str, ...]
    """Requested features; empty for a view that is read only for a key."""
    each: bool
    """Whether there is one row per candidate; otherwise all share one."""


@dataclass(frozen=True)
class Source:
    """The feature that holds a derived key."""

    view: str
    feature: str


@dataclass(frozen=True)
class SlatePlan:
    """The reads of one slate."""

    direct: tuple[ViewRead, ...]
    """Reads whose keys are in the request."""
    derived: tuple[ViewRead, ...]
    """Reads with a key that is a value in a row of ``direct``."""
    sources: Mapping[str, Source]
    """By derived key: the feature that holds it."""
    key_fields: Mapping[tuple[str, str], KeyField]
    """By derived view and derived key: the position of the value in the source's row."""
    shared_keys: Mapping[str, str]
    """Kinds of the keys given once per request."""
    candidate_keys: Mapping[str, str]
    """Kinds of the keys given per candidate."""

    @property
    def reads(self) -> tuple[ViewRead, ...]:
        """All reads, in the order of the query."""
        return self.direct + self.derived


@dataclass
class _RequestedView:
    stored: str
    key_names: Mapping[str, str] = field(default_factory=dict)  # join key -> name in the request, if renamed
    features: list[str] = field(default_factory=list)


def plan_slate(
    store: Any, features: Any, candidate_keys: Collection[str], derived_keys: Mapping[str, str]
) -> SlatePlan:
    """Look up every view in the registry; arguments as for ``SlateReader``.

    Raises SlateFeatureError if a feature is unknown, not online, computed on demand, or has the name of another one, or
    if a key is in no view or derived from an unsuitable feature.
    """
    from feast import FeatureService

    requested = _of_service(store, features) if isinstance(features, FeatureService) else _of_references(features)
    sources = {key: Source(*_parts(reference)) for key, reference in derived_keys.items()}
    for source in sources.values():
        requested.setdefault(source.view, _RequestedView(source.view))
    layouts = {name: layout_of(_view(store, name, view.stored)) for name, view in requested.items()}
    keys = {name: _keys(layouts[name], view.key_names) for name, view in requested.items()}
    moving = {*candidate_keys}
    moving |= {key for key, source in sources.items() if moving & set(keys[source.view])}
    reads = [
        ViewRead(
            name=name,
            layout=layouts[name],
            prefix=view_prefix(store.project, layouts[name].view),
            keys=keys[name],
            features=tuple(view.features),
            each=bool(moving & set(keys[name])),
        )
        for name, view in requested.items()
    ]
    _check_features(reads)
    kinds = _kinds(reads)
    _check_keys(kinds, [*candidate_keys, *sources])
    _check_sources({read.name: read for read in reads}, sources, kinds)
    given = {key: kind for key, kind in kinds.items() if key not in sources}
    derived = tuple(read for read in reads if set(read.keys) & set(sources))
    return SlatePlan(
        direct=tuple(read for read in reads if read not in derived),
        derived=derived,
        sources=sources,
        key_fields={
            (read.name, key): key_field(layouts[sources[key].view], sources[key].feature, several=len(read.keys) > 1)
            for read in derived
            for key in read.keys
            if key in sources
        },
        shared_keys={key: kind for key, kind in given.items() if key not in candidate_keys},
        candidate_keys={key: given[key] for key in candidate_keys},
    )


def _of_service(store: Any, service: Any) -> dict[str, _RequestedView]:
    return {
        projection.name_to_use(): _RequestedView(
            projection.name, projection.join_key_map, [feature.name for feature in projection.features]
        )
        for projection in store.get_feature_service(service.name).feature_view_projections
    }


def _of_references(references: Iterable[str]) -> dict[str, _RequestedView]:
    requested: dict[str, _RequestedView] = {}
    for reference in dict.fromkeys(references):
        view, feature = _parts(reference)
        requested.setdefault(view, _RequestedView(view)).features.append(feature)
    return requested


def _parts(reference: str) -> tuple[str, str]:
    view, colon, feature = reference.partition(":") if isinstance(reference, str) else ("", "", "")
    if not (view and colon and feature):
        raise SlateFeatureError(f"feature {reference!r}: expected 'view:feature'; found another form")
    return view, feature


def _view(store: Any, name: str, stored: str) -> Any:
    from feast import FeatureView
    from feast.errors import FeastObjectNotFoundException

    if "@" in name:
        raise SlateFeatureError(f"view {name!r}: expected the view's current version; found one by number")
    try:
        view = store.registry.get_any_feature_view(stored, store.project)
    except FeastObjectNotFoundException as error:
        raise SlateFeatureError(f"view {name!r}: expected an applied view; found none of that name") from error
    if not isinstance(view, FeatureView):
        found = type(view).__name__
        raise SlateFeatureError(f"view {name!r}: expected a feature view of stored rows; found a {found}")
    if not (view.online and view.enabled):
        raise SlateFeatureError(f"view {name!r}: expected an online view; found one that is not. Set online=True")
    return view


def _keys(layout: Layout, names: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(names.get(key.name, key.name) for key in layout.keys)


def _kinds(reads: Iterable[ViewRead]) -> dict[str, str]:
    """Kind of each key, which must be the same in every view."""
    kinds: dict[str, str] = {}
    for read in reads:
        for name, key in zip(read.keys, read.layout.keys, strict=True):
            if kinds.setdefault(name, key.kind) != key.kind:
                raise SlateFeatureError(
                    f"key {name!r}: expected one type in all views; found {key.kind} in {read.name} and {kinds[name]}"
                )
    return kinds


def _check_features(reads: Iterable[ViewRead]) -> None:
    owner: dict[str, str] = {}
    for read in reads:
        stored = {stored.name for stored in read.layout.fields}
        for feature in read.features:
            if feature not in stored:
                known = ", ".join(sorted(stored))
                raise SlateFeatureError(f"feature '{read.name}:{feature}': expected one of {known}; found none such")
            if owner.setdefault(feature, read.name) != read.name:
                raise SlateFeatureError(
                    f"feature {feature!r}: expected one view with that name; found {owner[feature]} and {read.name}. "
                    "Request one of them, or use two readers"
                )


def _check_keys(kinds: Mapping[str, str], keys: Sequence[str]) -> None:
    for key in keys:
        if key not in kinds:
            known = ", ".join(sorted(kinds))
            raise SlateFeatureError(f"key {key!r}: expected a key of the requested views ({known}); found none such")
        if keys.count(key) > 1:
            raise SlateFeatureError(f"key {key!r}: expected it either given or derived; found both")


def _check_sources(reads: Mapping[str, ViewRead], sources: Mapping[str, Source], kinds: Mapping[str, str]) -> None:
    for key, source in sources.items():
        read = reads[source.view]
        found = {stored.name: stored.kind for stored in read.layout.fields}.get(source.feature, "no such feature")
        where = f"derived key {key!r} of '{source.view}:{source.feature}'"
        if found != kinds[key]:
            raise SlateFeatureError(f"{where}: expected a feature of the key's type, {kinds[key]}; found {found}")
        if set(read.keys) & set(sources):
            raise SlateFeatureError(f"{where}: expected a view whose keys are given; found one with derived keys")


def key_field(layout: Layout, feature: str, several: bool) -> KeyField:
    """Position of a feature that is a key of another view; ``several`` as for ``key_part``."""
    field = layout.field(feature)
    place = layout.fields.index(field)
    text = not field.fixed
    return KeyField(
        digest=layout.digest,
        digest_at=TIMES_BYTES,
        null_byte=HEADER + place // 8,
        null_mask=1 << place % 8,
        at=layout.position(feature),
        size=0 if text else int(WIDTHS[field.kind][-1]),
        prefix=type_letter(_EXAMPLES.get(field.kind, 0)),
        framed=text and several,
    )
