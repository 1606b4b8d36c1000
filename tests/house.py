"""House rules: limits on files, functions, imports and docstrings, checked on the source alone.

``python -m tests.house`` prints every breach as ``file:line what: found N, limit M`` and exits with 1 if there is one.
"""

import ast
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
MODULE_LINES, FUNCTION_LINES, PARAMETERS = 300, 60, 8
LAYERS = {
    "models": {"models"},
    "feature_repo": {"feature_repo", "models"},
    "serving": {"serving", "feature_repo", "models"},
    "monitoring": {"monitoring", "models"},
    "components": {"components", "feature_repo", "serving", "monitoring", "models"},
    "pipelines": {"pipelines", "components", "feature_repo", "serving", "monitoring", "models"},
    "deploy": {"deploy", "models"},
    "benchmarks": {"benchmarks", "pipelines", "components", "feature_repo", "serving", "monitoring", "models"},
    "tests": {
        *("tests", "benchmarks", "deploy"),
        *("pipelines", "components", "feature_repo", "serving", "monitoring", "models"),
    },
}
"""What each package may import of ours."""
SHAPED = ("models", "feature_repo", "serving", "monitoring")
"""Packages whose public functions of arrays state shapes."""
_DIMENSION = r"[\w.]+(?:\s*[-+*/]\s*\w+)*"
SHAPE = re.compile(rf"\(\s*(?:{_DIMENSION},|{_DIMENSION}(?:,\s*{_DIMENSION})+,?)\s*\)|\bscalars?\b|\bshapes?\b", re.I)
"""``(C, T)``, ``(rows,)``, or one of the words."""
_ARRAYS = {"ndarray", "NDArray", "Tensor"}

EXCEPTIONS: dict[tuple[str, str, str], str] = {
    ("feature_repo/stores/offline/store.py", "AsOfOfflineStore.get_historical_features", "parameters"): (
        "the signature is Feast's"
    ),
    ("feature_repo/stores/offline/spark.py", "SparkFileOfflineStore.get_historical_features", "parameters"): (
        "the signature is Feast's"
    ),
    ("components/evaluate.py", "evaluate", "parameters"): "KFP declares a step's inputs and outputs as parameters",
    ("components/train.py", "train", "parameters"): "KFP declares a step's inputs and outputs as parameters",
    ("components/refit.py", "refit", "parameters"): "KFP declares a step's inputs and outputs as parameters",
    ("components/register.py", "register", "parameters"): "KFP declares a step's inputs and outputs as parameters",
    ("pipelines/training.py", "training", "parameters"): "KFP declares a pipeline's parameters as the function's",
    ("pipelines/act.py", "act", "parameters"): "KFP declares a pipeline's parameters as the function's",
    ("models/nn/gather_kernel.py", "_mean_kernel", "parameters"): (
        "a Triton kernel takes every pointer, stride and block size as a parameter"
    ),
}
"""(file, function or empty, rule): the reason. One that is no longer needed is a breach."""


class Breach(NamedTuple):
    """One place that breaks a rule."""

    file: str
    line: int
    name: str
    rule: str
    found: str
    limit: str

    def __str__(self) -> str:
        what = f"{self.name} {self.rule}".strip()
        return f"{self.file}:{self.line} {what}: found {self.found}, limit {self.limit}"


class Import(NamedTuple):
    """A line that imports one of our modules."""

    source: str
    target: str
    line: int


@dataclass(frozen=True)
class Source:
    """One parsed module."""

    file: str
    module: str
    lines: int
    tree: ast.Module


Function = ast.FunctionDef | ast.AsyncFunctionDef


def sources(root: Path, packages: Sequence[str]) -> dict[str, Source]:
    """Every module of the packages by its dotted name; a package's own name is its ``__init__``."""
    found = {}
    for package in packages:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            text = path.read_text(encoding="utf-8")
            found[module] = Source(str(path.relative_to(root)), module, len(text.splitlines()), ast.parse(text))
    return found


def sizes(source: Source) -> Iterator[Breach]:
    """Modules and functions that are too long, functions with too many parameters."""
    if source.lines > MODULE_LINES:
        yield Breach(source.file, 1, "", "module lines", str(source.lines), str(MODULE_LINES))
    for name, node, _ in functions(source.tree):
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        if lines > FUNCTION_LINES:
            yield Breach(source.file, node.lineno, name, "function lines", str(lines), str(FUNCTION_LINES))
        if (count := parameters(node)) > PARAMETERS:
            yield Breach(source.file, node.lineno, name, "parameters", str(count), str(PARAMETERS))


def shapes(source: Source) -> Iterator[Breach]:
    """Public functions that take or return arrays and state no shape."""
    if source.module.partition(".")[0] not in SHAPED:
        return
    for name, node, nested in functions(source.tree):
        private = any(part.startswith("_") for part in [*source.module.split("."), *name.split(".")])
        if not (private or nested) and takes_arrays(node) and not SHAPE.search(ast.get_docstring(node) or ""):
            yield Breach(source.file, node.lineno, name, "shapes", "none in the docstring", "one such as (C, T)")


def functions(tree: ast.AST, prefix: str = "", nested: bool = False) -> Iterator[tuple[str, Function, bool]]:
    """Every function with its qualified name, and whether it is inside another."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield prefix + node.name, node, nested
            yield from functions(node, f"{prefix}{node.name}.", True)
        elif isinstance(node, ast.ClassDef):
            yield from functions(node, f"{prefix}{node.name}.", nested)
        else:
            yield from functions(node, prefix, nested)


def parameters(node: Function) -> int:
    """How many parameters a function has, without ``self`` and ``cls``."""
    given = node.args
    names = [one.arg for one in (*given.posonlyargs, *given.args)]
    own = 1 if names and names[0] in ("self", "cls") else 0
    return len(names) - own + len(given.kwonlyargs) + sum(one is not None for one in (given.vararg, given.kwarg))


def takes_arrays(node: Function) -> bool:
    """Whether an annotation of a parameter or of the result names an array or a tensor."""
    given = node.args
    places = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    annotations = [place.annotation for place in places if place is not None] + [node.returns]
    return any(_names(annotation) & _ARRAYS for annotation in annotations if annotation is not None)


def _names(annotation: ast.expr) -> set[str]:
    found = set()
    for node in ast.walk(annotation):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found |= set(re.findall(r"\w+", node.value))
    return found


def imports(found: Mapping[str, Source]) -> list[Import]:
    """Every import of one of our modules by another, wherever in the file it is."""
    lines = {}
    for source in found.values():
        for node in ast.walk(source.tree):
            for target in _targets(node, source, found):
                if target != source.module:
                    lines.setdefault((source.module, target), Import(source.module, target, node.lineno))  # type: ignore[attr-defined]
    return sorted(lines.values())


def _targets(node: ast.AST, source: Source, found: Mapping[str, Source]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name in found)
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            package = source.module.split(".")
            depth = node.level - (1 if source.file.endswith("__init__.py") else 0)
            base = ".".join([*package[: len(package) - depth], *([base] if base else [])])
        for alias in node.names:
            inner = f"{base}.{alias.name}"
            if inner in found or base in found:
                yield inner if inner in found else base


def upward(found: Mapping[str, Source], lines: Sequence[Import]) -> Iterator[Breach]:
    """Imports from a package that may not be imported there."""
    for one in lines:
        package, target = one.source.partition(".")[0], one.target.partition(".")[0]
        if target not in LAYERS[package]:
            file = found[one.source].file
            yield Breach(file, one.line, one.target, "upward import", target, " ".join(sorted(LAYERS[package])))


def circles(found: Mapping[str, Source], lines: Sequence[Import]) -> Iterator[Breach]:
    """In every folder, the circles of imports between its modules and subfolders; a subfolder is one node."""
    parts = [module.split(".") for module in found]
    for folder in sorted({".".join(names[:depth]) for names in parts for depth in range(1, len(names) + 1)}):
        arrows: dict[str, dict[str, Import]] = {}
        for one in lines:
            source, target = _child(folder, one.source), _child(folder, one.target)
            if source and target and source != target:
                arrows.setdefault(source, {}).setdefault(target, one)
        for circle in _circles(arrows):
            first = arrows[circle[0]][circle[1]]
            shown = " -> ".join(circle)
            yield Breach(found[first.source].file, first.line, "", "import circle", shown, "one way")


def _child(folder: str, module: str) -> str:
    """The module or subfolder directly in the folder that holds the module; empty where it is outside."""
    if module == folder:
        return f"{folder}.__init__"
    if not module.startswith(folder + "."):
        return ""
    return ".".join(module.split(".")[: folder.count(".") + 2])


def _circles(arrows: Mapping[str, Mapping[str, object]]) -> Iterator[list[str]]:
    """A shortest circle through each node that is on one, each circle once."""
    seen: set[frozenset[str]] = set()
    for start in sorted(arrows):
        paths, reached = [[start]], {start}
        while paths:
            path = paths.pop(0)
            targets = sorted(arrows.get(path[-1], {}))
            if start in targets:
                if frozenset(path) not in seen:
                    seen.add(frozenset(path))
                    yield [*path, start]
                break
            for target in targets:
                if target not in reached:
                    reached.add(target)
                    paths.append([*path, target])


def breaches(
    root: Path = ROOT,
    packages: Sequence[str] = tuple(LAYERS),
    exceptions: Mapping[tuple[str, str, str], str] = EXCEPTIONS,
) -> list[Breach]:
    """Every breach that has no exception, and every exception without a breach, by file and line."""
    found = sources(root, packages)
    lines = imports(found)
    every = [one for source in found.values() for one in (*sizes(source), *shapes(source))]
    every += [*upward(found, lines), *circles(found, lines)]
    excused = {(one.file, one.name, one.rule) for one in every} & set(exceptions)
    kept = [one for one in every if (one.file, one.name, one.rule) not in excused]
    for file, name, rule in set(exceptions) - excused:
        kept.append(Breach(file, 1, name, f"exception to {rule}", "no such breach", "none"))
    return sorted(kept)


def main() -> int:
    """Print the breaches; 1 if there are any."""
    found = breaches()
    print(*found, f"{len(found)} breaches, {len(EXCEPTIONS)} exceptions", sep="\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
