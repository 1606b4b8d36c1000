"""``python -m feature_repo init``: a first spec for a folder of tables, as far as they tell."""

import re
import shlex
from pathlib import Path

from feature_repo.sources.adapters import check
from feature_repo.sources.errors import SourceError
from feature_repo.sources.guess.look import tables_in
from feature_repo.sources.guess.roles import roles
from feature_repo.sources.guess.spec_text import spec_text
from models.spec import parse_spec

__all__ = ["guess"]


def guess(folder: Path, out: Path | None = None) -> list[str]:
    """Write a spec for the tables in a folder; return what to tell. Raises SourceError; then nothing was written."""
    name = re.sub(r"[^a-z0-9]+", "_", (out.stem if out else folder.resolve().name).lower()).strip("_")
    name = (name if name[:1].isalpha() else f"product_{name}".rstrip("_"))[:40]
    target = out or Path("configs") / f"{name}.yaml"
    if target.exists():
        raise SourceError(f"{target}: expected no such file; found one. Name another with --out")
    tables = tables_in(folder)
    found = roles(tables)
    if found is None:
        listed = "; ".join(
            f"{table.files} (times: {', '.join(one.name for one in table.times) or 'none'}; keys: "
            f"{', '.join(one.name for one in table.columns.values() if one.key_name) or 'none'})"
            for table in tables
        )
        raise SourceError(
            f"{folder}: expected a table of what was shown, with a time and the keys, which repeat, of member and "
            f"item; found {listed}. Write source.tables by hand (docs/tables.md)"
        )
    text, names = spec_text(name, folder.name, found)
    spec = parse_spec(text, str(target))
    check(spec, str(target))
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("x", encoding="utf-8") as file:
        file.write(text)
    said = [
        f"{target}: written; impressions from {found.shown.files}, member {found.member}, item {found.item}, "
        f"time {found.time}, outcome {found.positive}"
    ]
    said += [f"assumed: {one}" for one in dict.fromkeys(names.assumed)]
    said += [f"not used: {one}" for one in found.unused]
    said += [
        f"TO DO {one.key}: {one.words}; candidates: {', '.join(one.candidates) or 'none'}" for one in found.questions
    ]
    command = shlex.join(["python", "-m", "pipelines", "check", str(target), "--data", str(folder)])
    return [*said, f"next: read {target}{', fill in what is to do' if found.questions else ''}, then {command}"]
