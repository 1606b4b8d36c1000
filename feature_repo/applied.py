"""The note of what was applied last, spec and tables: `state/feast/applied.json`."""

import json
import os
from pathlib import Path
from typing import NamedTuple

from feature_repo.sources.tables import read_manifest
from feature_repo.sources.windows import spec_of
from feature_repo.views.errors import NotAppliedError
from models.files import write_text
from models.spec import Spec, load_spec, parse_spec

_DEFAULT_STATE = Path(__file__).resolve().parent.parent / "state"


class Applied(NamedTuple):
    """The applied spec, the folder of its canonical tables, and the folder of the pushed views' files."""

    spec: Spec
    tables: Path
    pushed: Path


def applied_file(state: Path) -> Path:
    """Path of the note within a state folder."""
    return state / "feast" / "applied.json"


def pushed_folder(state: Path) -> Path:
    """Folder of the pushed views' files within a state folder."""
    return state / "feast" / "pushed"


def read_applied(state: Path) -> Applied | None:
    """What was applied last to this state folder; None if nothing was."""
    if not applied_file(state).is_file():
        return None
    document = json.loads(applied_file(state).read_text(encoding="utf-8"))
    return Applied(parse_spec(document["spec"], "applied.json"), Path(document["tables"]), pushed_folder(state))


def write_applied(spec: Spec, tables: Path, state: Path) -> None:
    """Note what was applied, atomically."""
    document = {"spec": spec.model_dump_json(by_alias=True), "tables": str(tables.resolve())}
    write_text(applied_file(state), json.dumps(document, indent=2) + "\n")


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
        dated = spec_of(given, read_manifest(Path(tables))) if given.windows.rolling else given
        return Applied(dated, Path(tables), pushed_folder(state))
    applied = read_applied(state)
    if applied is None:
        raise NotAppliedError(
            f"{applied_file(state)}: expected a note of the tables that were ingested; found none. Run `make demo` "
            "first, or set HELIOGRAPH_SPEC (a YAML) and HELIOGRAPH_TABLES (a folder written by the ingest step)"
        )
    return applied
