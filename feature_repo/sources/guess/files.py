"""Which files of a folder are a table: one, a folder of parts, or several that differ by a number in their name."""

import fnmatch
import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from feature_repo.sources.declared.files import ENDINGS, is_hidden, is_text
from feature_repo.sources.errors import SourceError

_HEAD = 65_536


def files_of_tables(folder: Path) -> Iterator[tuple[str, str, list[Path]]]:
    """(name, files as the spec names them, paths) of every table. Raises SourceError where there is no folder."""
    if not folder.is_dir():
        raise SourceError(f"{folder}: expected a folder of tables; found none")
    taken: set[str] = set()
    for files, parts in _parts(folder):
        name = _name(files.split(".")[0].replace("*", "") if "." in files else files)
        while name.lower() in taken:
            name += "_2"
        taken.add(name.lower())
        yield name, files, parts


def delimiter_of(path: Path) -> str:
    """What separates the names in the first line of a CSV file, if a comma does not."""
    first = _first_line(path) if is_text(path) else ""
    found: str = max((";", "\t", "|"), key=first.count)
    return found if "," not in first and found in first and ".tsv" not in path.name.lower() else ","


def _parts(folder: Path) -> Iterator[tuple[str, list[Path]]]:
    """(files as the spec names them, paths), in the order of the names."""
    alike: dict[str, list[Path]] = {}
    shown = [path for path in sorted(folder.iterdir()) if not is_hidden(Path(path.name))]
    for path in shown:
        if path.is_dir():
            inside = [one for one in sorted(path.glob("*")) if _is_table(one)]
            if inside and len({is_text(one) for one in inside}) == 1:
                alike[path.name] = inside
            elif not inside:
                alike |= _below(path)
        elif _is_table(path):
            alike.setdefault(re.sub(r"\d+", "*", path.name), []).append(path)
    for pattern, paths in alike.items():
        matched = [path for path in shown if fnmatch.fnmatchcase(path.name, pattern)]
        if len(paths) == 1 or "*" not in pattern:
            yield (paths[0].name if "*" in pattern and "/" not in pattern else pattern), paths
        elif "/" in pattern or (matched == paths and len({_first_line(path) for path in paths}) == 1):
            yield pattern, paths
        else:
            yield from ((path.name, [path]) for path in paths)


def _below(folder: Path) -> dict[str, list[Path]]:
    """The pattern of the files in a folder's folders, such as one a day, and these; none if their endings differ."""
    inside = [one for one in sorted(folder.rglob("*")) if _is_table(one) and not is_hidden(one.relative_to(folder))]
    endings = {"".join(one.suffixes[-2:] if one.suffix == ".gz" else one.suffixes[-1:]) for one in inside}
    return {f"{folder.name}/**/*{endings.pop()}": inside} if len(endings) == 1 else {}


def _is_table(path: Path) -> bool:
    return path.is_file() and not is_hidden(Path(path.name)) and path.name.lower().endswith(ENDINGS)


def _first_line(path: Path) -> str:
    """The names of a file's columns, as far as they can be read; what is wrong is found when the file is."""
    try:
        if not is_text(path):
            return ",".join(map(str, pq.read_schema(path)))
        with pa.input_stream(str(path)) as stream:
            head: bytes = stream.read(_HEAD)
    except (pa.ArrowException, OSError):
        return ""
    return head.split(b"\n")[0].decode("utf-8", "replace").strip()


def _name(text: str) -> str:
    plain = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_")
    return (plain if plain[:1].isalpha() else f"table_{plain}")[:50]
