"""Mutations: modules with one place changed, by Cosmic Ray's operators and two of ours."""

import ast
import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cosmic_ray.plugins
import parso.python.tree as parso_tree
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Operator


class Mutant(NamedTuple):
    """One changed module."""

    module: str
    operator: str
    occurrence: int
    before: str
    after: str

    def diff(self) -> str:
        """The change as a unified diff with one line around it."""
        pair = self.before.splitlines(), self.after.splitlines()
        return "\n".join(
            difflib.unified_diff(*pair, self.module, f"{self.operator} {self.occurrence}", n=1, lineterm="")
        )


class _RemoveStatement(Operator):
    """Put ``pass`` in place of a statement."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Any, Any]]:
        """Where the node is such a statement: its start and end."""
        if node.type == "simple_stmt" and self.removes(node.children[0]):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        """The node with ``pass`` in place of the statement."""
        first = node.children[0]
        node.children[0] = parso_tree.Keyword("pass", first.start_pos, first.get_first_leaf().prefix)
        return node

    @classmethod
    def examples(cls) -> tuple[()]:
        """None: `tests/test_mutants.py` has them."""
        return ()


class RemoveCall(_RemoveStatement):
    """Remove a call whose result is not used."""

    @staticmethod
    def removes(node: Any) -> bool:
        """Whether the statement is a call."""
        return node.type == "atom_expr" and node.children[-1].get_code().startswith("(")


class RemoveRaise(_RemoveStatement):
    """Remove a ``raise``."""

    @staticmethod
    def removes(node: Any) -> bool:
        """Whether the statement raises."""
        return node.type == "raise_stmt" or node.get_code().strip() == "raise"


OWN = {"RemoveCall": RemoveCall, "RemoveRaise": RemoveRaise}


class Place(NamedTuple):
    """A place that an operator can change."""

    module: str
    operator: str
    occurrence: int


def places(root: Path, modules: Sequence[str], operators: Sequence[str]) -> Iterator[Place]:
    """Every place in the modules that an operator can change; annotations are left alone."""
    for module in modules:
        code = (root / module).read_text(encoding="utf-8")
        nodes, inert = list(ast_nodes(get_ast(code))), _annotations(code)
        for name in operators:
            operator = _operator(name)
            found = (place for node in nodes for place in operator.mutation_positions(node))
            for occurrence, (start, end) in enumerate(found):
                if not any(first <= start and end <= last for first, last in inert):
                    yield Place(module, name, occurrence)


def mutant(root: Path, place: Place) -> Mutant | None:
    """The module with that place changed; None where the result does not compile."""
    before = (root / place.module).read_text(encoding="utf-8")
    after = mutate_code(before, _operator(place.operator), place.occurrence)
    return Mutant(*place, before, after) if after not in (None, before) and _compiles(after) else None


def _operator(name: str) -> Operator:
    return OWN[name]() if name in OWN else cosmic_ray.plugins.get_operator(f"core/{name}")()


def _annotations(code: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Start and end (line, column) of every annotation, and of type aliases such as ``A = B | C``."""
    nodes: list[ast.expr | None] = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            nodes.append(node.returns)
        elif isinstance(node, ast.arg | ast.AnnAssign):
            nodes.append(node.annotation)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance":
            nodes += node.args[1:]
        elif isinstance(node, ast.Module):
            nodes += [one.value for one in node.body if isinstance(one, ast.Assign) and _is_alias(one.value)]
    return [
        ((node.lineno, node.col_offset), (node.end_lineno or 0, node.end_col_offset or 0))
        for node in nodes
        if node is not None
    ]


def _is_alias(value: ast.expr) -> bool:
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.BitOr):
        return _is_alias(value.left) and _is_alias(value.right)
    return isinstance(value, ast.Name | ast.Attribute | ast.Subscript) or getattr(value, "value", 0) is None


def _compiles(code: str) -> bool:
    try:
        compile(code, "mutant", "exec")
    except SyntaxError:
        return False
    return True
