"""What is applied: spec, address of the tables, address of the pushed views' files. A note of the product's project."""

import os
from pathlib import Path
from typing import Any, NamedTuple

from feature_repo.notes import Document, Notes, notes_of
from feature_repo.sources.tables import read_manifest
from feature_repo.sources.windows import spec_of
from feature_repo.store import check_release, open_notes, project_in, project_of
from feature_repo.views.errors import NotAppliedError
from models.spec import Spec, load_spec, parse_spec
from models.spec.decisions import open_keys
from models.storage import join

CONFIG = Path(__file__).resolve().parent / "feature_store.yaml"
"""The embedded configuration."""
NOTE = "applied"
_DEFAULT_STATE = Path(__file__).resolve().parent.parent / "state"
_SHARED, _PRODUCTS = ".products", "products"
"""Project and name of the one note that is not of a product: the products of the store, with their projects."""


class Applied(NamedTuple):
    """The applied spec, the address of its canonical tables, and the address of the pushed views' files."""

    spec: Spec
    tables: str
    pushed: str


def pushed_folder(storage: str, project: str) -> str:
    """Address of the pushed views' files of a project; ``storage`` is the address of what outlives a run."""
    return join(storage, "features", project)


def storage_of(applied: Applied, project: str) -> str:
    """Address of what outlives a run; "" where the pushed views' files lie somewhere else."""
    tail = f"/features/{project}"
    return applied.pushed.removesuffix(tail) if applied.pushed.endswith(tail) else ""


def read_applied(store: Any) -> Applied | None:
    """What was applied last to the store's project; None if nothing was. Raises SpecError, NotesError.

    ``store`` is a FeatureStore or its notes.
    """
    document = notes_of(store).read(NOTE)
    if document is None:
        return None
    return Applied(parse_spec(document["spec"], "the applied spec"), document["tables"], document["pushed"])


def require_applied(store: Any) -> Applied:
    """The same. Raises NotAppliedError, with the next step, if nothing was applied."""
    applied = read_applied(store)
    if applied is None:
        project = notes_of(store).project
        raise NotAppliedError(f"project {project}: expected applied tables; found none. Run `make demo` first")
    return applied


def write_applied(store: Any, spec: Spec, tables: str, pushed: str) -> None:
    """Note what was applied."""
    document = {"spec": spec.model_dump_json(by_alias=True), "tables": tables, "pushed": pushed}
    notes_of(store).write(NOTE, document)


def add_product(store: Any, product: str) -> None:
    """Note that the store holds this product. Scratch projects are not noted."""
    notes = notes_of(store)
    if notes.project != project_of(product):
        return

    def change(found: Document | None) -> Document | None:
        return None if found and product in found else {**(found or {}), product: notes.project}

    Notes(notes.rows, _SHARED).change(_PRODUCTS, change)


def products(store: Any) -> dict[str, str]:
    """Projects by product, of all products that were ever applied to the store."""
    return Notes(notes_of(store).rows, _SHARED).read(_PRODUCTS) or {}


def notes_in(state: Path, project: str) -> Notes | None:
    """The notes of a project in a state folder on this machine; None if it has no online store.

    Raises NotAppliedError for a state folder of an older release.
    """
    check_release(state)
    if not (state / "feast" / "online.db").is_file():
        return None
    return open_notes(CONFIG, state, project)


def products_in(state: Path) -> dict[str, str]:
    """Projects by product, of the products in a state folder. Raises NotAppliedError as ``notes_in``."""
    notes = notes_in(state, _SHARED)
    return {} if notes is None else products(notes)


def project_for(config: Path, state: Path | None, product: str | None) -> str:
    """The project of a command: that of ``product``, else the one that ``config`` names, else the only one applied.

    Raises NotAppliedError if nothing was applied, or several products were.
    """
    if product is not None:
        return project_of(product)
    if (named := project_in(config)) is not None:
        return named
    found = products(open_notes(config, state, _SHARED))
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        raise NotAppliedError(f"--product: expected one of {', '.join(sorted(found))}; found none")
    where = "the online store" if state is None else str(state)
    raise NotAppliedError(f"{where}: expected applied tables; found none. Run `make demo` first")


def current() -> Applied:
    """What the environment names (HELIOGRAPH_SPEC and HELIOGRAPH_TABLES), or else what was applied last.

    Raises NotAppliedError, with the next step, if there is neither.
    """
    state = Path(os.environ.get("HELIOGRAPH_STATE", _DEFAULT_STATE))
    spec, tables = os.environ.get("HELIOGRAPH_SPEC"), os.environ.get("HELIOGRAPH_TABLES")
    if bool(spec) != bool(tables):
        missing = "HELIOGRAPH_TABLES" if spec else "HELIOGRAPH_SPEC"
        raise NotAppliedError(f"expected both HELIOGRAPH_SPEC and HELIOGRAPH_TABLES; found one. Set {missing} too")
    if spec and tables:
        given = load_spec(spec)
        open_ = given.windows.rolling or open_keys(given)
        dated = spec_of(given, read_manifest(Path(tables))) if open_ else given
        pushed = pushed_folder(str(state.resolve()), project_of(dated.name))
        return Applied(dated, str(Path(tables).resolve()), pushed)
    config = Path(os.environ.get("HELIOGRAPH_STORE", CONFIG))
    if config == CONFIG and not (state / "feast" / "online.db").is_file():
        raise NotAppliedError(
            f"{state}: expected ingested and applied tables; found none. Run `make demo` first, or set "
            "HELIOGRAPH_SPEC (a YAML) and HELIOGRAPH_TABLES (a folder written by the ingest step)"
        )
    return require_applied(open_notes(config, state, project_for(config, state, None)))
