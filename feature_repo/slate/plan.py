"""What a reader reads, worked out once: the views behind its features, and where each of their keys comes from."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from feature_repo.slate.errors import SlateFeatureError
from feature_repo.slate.question import Slot
from feature_repo.stores.online.keys import before, view_prefix
from feature_repo.stores.online.layout import HEADER, WIDTHS, Layout, layout_of

_DIGEST_AT = 16
_EMPTY: dict[str, str | bytes] = {"string": "", "bytes": b""}


@dataclass(frozen=True)
class ViewRead:
    """One view, read once a slate or once a candidate."""

    name: str
    """As features refer to it: its alias, or its own name."""
    layout: Layout
    prefix: bytes
    """What all keys of its rows begin with."""
    keys: tuple[str, ...]
    """As the request names them, one for each of ``layout.keys``."""
    features: tuple[str, ...]
    """Those shown; none of a view that is read for the key in it alone."""
    each: bool
    """Whether its rows go with the candidates; else all share one."""


@dataclass(frozen=True)
class Source:
    """Where a derived key stands."""

    view: str
    feature: str


@dataclass(frozen=True)
class Plan:
    """The reads of one slate."""

    direct: tuple[ViewRead, ...]
    """Those whose keys the request gives."""
    waiting: tuple[ViewRead, ...]
    """Those with a key that stands in a row of ``direct``."""
    sources: Mapping[str, Source]
    """By derived key."""
    slots: Mapping[tuple[str, str], Slot]
    """By waiting view and derived key: where the value stands in the source's row."""
    shared_keys: Mapping[str, str]
    """Given once: by key the kind of its value."""
    candidate_keys: Mapping[str, str]
    """Given for every candidate: by key the kind of its values."""

    @property
    def reads(self) -> tuple[ViewRead, ...]:
        """All of them, in the order asked."""
        return self.direct + self.waiting


@dataclass
class _Asked:
    stored: str
    key_names: Mapping[str, str] = field(default_factory=dict)  # by join key: as the request has it, if renamed
    features: list[str] = field(default_factory=list)


def plan(store: Any, features: Any, candidate_keys: Collection[str], derived_keys: Mapping[str, str]) -> Plan:
    """Look every view up in the registry; arguments as of ``SlateReader``.

    Raises SlateFeatureError where a feature is unknown, not online, computed on demand or named as another one, and
    where a key is in no view or derived from what cannot be one.
    """
    from feast import FeatureService

    asked = _of_service(store, features) if isinstance(features, FeatureService) else _of_references(features)
    sources = {key: Source(*_parts(reference)) for key, reference in derived_keys.items()}
    for source in sources.values():
        asked.setdefault(source.view, _Asked(source.view))
    layouts = {name: layout_of(_view(store, name, view.stored)) for name, view in asked.items()}
    keys = {name: _keys(layouts[name], view.key_names) for name, view in asked.items()}
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
        for name, view in asked.items()
    ]
    _check_features(reads)
    kinds = _kinds(reads)
    _check_keys(kinds, [*candidate_keys, *sources])
    _check_sources({read.name: read for read in reads}, sources, kinds)
    given = {key: kind for key, kind in kinds.items() if key not in sources}
    waiting = tuple(read for read in reads if set(read.keys) & set(sources))
    return Plan(
        direct=tuple(read for read in reads if read not in waiting),
        waiting=waiting,
        sources=sources,
        slots={
            (read.name, key): slot_of(layouts[sources[key].view], sources[key].feature, several=len(read.keys) > 1)
            for read in waiting
            for key in read.keys
            if key in sources
        },
        shared_keys={key: kind for key, kind in given.items() if key not in candidate_keys},
        candidate_keys={key: given[key] for key in candidate_keys},
    )


def _of_service(store: Any, service: Any) -> dict[str, _Asked]:
    return {
        projection.name_to_use(): _Asked(
            projection.name, projection.join_key_map, [feature.name for feature in projection.features]
        )
        for projection in store.get_feature_service(service.name).feature_view_projections
    }


def _of_references(references: Iterable[str]) -> dict[str, _Asked]:
    asked: dict[str, _Asked] = {}
    for reference in dict.fromkeys(references):
        view, feature = _parts(reference)
        asked.setdefault(view, _Asked(view)).features.append(feature)
    return asked


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
        raise SlateFeatureError(f"view {name!r}: expected one that was applied; found none of that name") from error
    if not isinstance(view, FeatureView):
        found = type(view).__name__
        raise SlateFeatureError(f"view {name!r}: expected a feature view of stored rows; found a {found}")
    if not (view.online and view.enabled):
        raise SlateFeatureError(f"view {name!r}: expected an online view; found one that is not. Set online=True")
    return view


def _keys(layout: Layout, names: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(names.get(key.name, key.name) for key in layout.keys)


def _kinds(reads: Iterable[ViewRead]) -> dict[str, str]:
    """By key the kind of its values; the same in every view."""
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
                    "Ask for one of them, or read them apart"
                )


def _check_keys(kinds: Mapping[str, str], keys: Sequence[str]) -> None:
    for key in keys:
        if key not in kinds:
            known = ", ".join(sorted(kinds))
            raise SlateFeatureError(f"key {key!r}: expected a key of the views asked for ({known}); found none such")
        if keys.count(key) > 1:
            raise SlateFeatureError(f"key {key!r}: expected it given or derived; found it as both")


def _check_sources(reads: Mapping[str, ViewRead], sources: Mapping[str, Source], kinds: Mapping[str, str]) -> None:
    for key, source in sources.items():
        read = reads[source.view]
        found = {stored.name: stored.kind for stored in read.layout.fields}.get(source.feature, "no such feature")
        where = f"derived key {key!r} of '{source.view}:{source.feature}'"
        if found != kinds[key]:
            raise SlateFeatureError(f"{where}: expected a feature of the key's type, {kinds[key]}; found {found}")
        if set(read.keys) & set(sources):
            raise SlateFeatureError(f"{where}: expected a view that is read by given keys; found one by derived keys")


def slot_of(layout: Layout, feature: str, several: bool) -> Slot:
    """Where a layout has a feature that is a key; ``several`` as of ``key_part``."""
    field = layout.field(feature)
    place = layout.fields.index(field)
    text = not field.fixed
    return Slot(
        digest=layout.digest,
        digest_at=_DIGEST_AT,
        null_byte=HEADER + place // 8,
        null_mask=1 << place % 8,
        at=layout.position(feature),
        size=0 if text else int(WIDTHS[field.kind][-1]),
        before=before(_EMPTY.get(field.kind, 0)),
        framed=text and several,
    )
