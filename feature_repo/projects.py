"""The Feast projects of a store: a product's own, and those of its pipelines that only look."""

from typing import Any

from feature_repo.applied import Applied, read_applied
from feature_repo.notes import Notes
from models.spec import SpecError


def applied_projects(store: Any) -> dict[str, Applied]:
    """What is applied to every project of the store's registry and online store, by project.

    A project of an older release, whose spec cannot be read, is left out: the next run begins it anew.
    """
    from feature_repo.stores.online.bulk import rows_of

    found: dict[str, Applied] = {}
    for name in sorted(project.name for project in store.list_projects()):
        try:
            applied = read_applied(Notes(rows_of(store), name))
        except SpecError:
            continue
        if applied is not None:
            found[name] = applied
    return found
