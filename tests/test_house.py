"""The house rules hold, and each of them finds what it is there for."""

from pathlib import Path

from tests.house import Breach, breaches

SHORT = '"""A module."""\n'


def check(root: Path, files: dict[str, str], exceptions: dict[tuple[str, str, str], str] | None = None) -> list[Breach]:
    """The breaches of a tree of these files."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return breaches(root, ("models", "serving"), exceptions or {})


def rules(found: list[Breach]) -> list[tuple[str, str]]:
    return [(one.file, one.rule) for one in found]


def test_the_project_keeps_the_rules() -> None:
    found = breaches()
    assert not found, "\n".join(map(str, found))


def test_an_empty_tree_keeps_them(tmp_path: Path) -> None:
    assert check(tmp_path, {}) == []
    assert check(tmp_path, {"models/__init__.py": ""}) == []


def test_lengths(tmp_path: Path) -> None:
    body = "".join(f"    x = {n}\n" for n in range(59))
    files = {"models/long.py": "\n" * 301, "models/full.py": "\n" * 300}
    over = f"class A:\n    def over(self):\n        pass\n{body.replace('    ', '        ')}"
    files |= {"models/body.py": f"def fits():\n{body}{over}"}
    found = check(tmp_path, files)
    assert [str(one) for one in found] == [
        "models/body.py:62 A.over function lines: found 61, limit 60",
        "models/long.py:1 module lines: found 301, limit 300",
    ]


def test_parameters_count_all_but_self(tmp_path: Path) -> None:
    eight = "class A:\n    def f(self, a, b, /, c, d, *e, f, g, **h): ...\n"
    nine = "async def f(a, b, /, c, d, *e, f, g, i, **h): ...\n"
    assert rules(check(tmp_path, {"models/a.py": eight, "models/b.py": nine})) == [("models/b.py", "parameters")]


def test_imports_run_down(tmp_path: Path) -> None:
    files = {
        "models/a.py": "def f():\n    from serving import b\n",
        "serving/b.py": "",
        "serving/c.py": "import models.a\n",
    }
    assert [str(one) for one in check(tmp_path, files)] == [
        "models/a.py:2 serving.b upward import: found serving, limit models"
    ]


def test_modules_in_a_circle(tmp_path: Path) -> None:
    files = {
        "models/a.py": SHORT + "from models import b\n",
        "models/b.py": "from .c import x\n",
        "models/c.py": "import models.a\n",
    }
    (found,) = check(tmp_path, files)
    assert str(found) == (
        "models/a.py:2 import circle: found models.a -> models.b -> models.c -> models.a, limit one way"
    )


def test_folders_in_a_circle_that_their_modules_are_not_in(tmp_path: Path) -> None:
    files = {
        "models/one/a.py": "import models.two.b\n",
        "models/two/b.py": "",
        "models/two/c.py": "import models.one.d\n",
    }
    (found,) = check(tmp_path, {**files, "models/one/d.py": ""})
    assert found.found == "models.one -> models.two -> models.one"


def test_a_module_imports_no_name_that_its_package_took_from_it(tmp_path: Path) -> None:
    files = {"models/one/__init__.py": "from models.one.a import f\n", "models/one/a.py": "from models.one import g\n"}
    (found,) = check(tmp_path, files)
    assert found.rule == "import circle"


def test_public_functions_of_arrays_state_shapes(tmp_path: Path) -> None:
    def of(docstring: str, name: str = "f", annotation: str = "np.ndarray") -> str:
        return f'def {name}(a: "dict[str, int]", b: {annotation} | None) -> None:\n    """{docstring}"""\n'

    files = {
        "models/none.py": of("Doubles (all of them)."),
        "models/string.py": of("Doubles.", annotation='"list[Tensor]"'),
        "models/result.py": 'class A:\n    def f(self) -> torch.Tensor:\n        """All."""\n',
        "models/two.py": of("Doubles ``b`` (rows, H * width)."),
        "models/one.py": of("Doubles (rows,)."),
        "models/word.py": of("Doubles a scalar."),
        "models/private.py": of("Doubles.", name="_f"),
        "models/nested.py": "def f():\n    def g(a: Tensor): ...\n",
        "models/numbers.py": of("Doubles.", annotation="int"),
    }
    names = [Path(one.file).stem for one in check(tmp_path, files) if one.rule == "shapes"]
    assert names == ["none", "result", "string"]


def test_an_exception_excuses_one_breach_and_must_be_needed(tmp_path: Path) -> None:
    nine = {"models/b.py": "def f(a, b, c, d, e, f, g, h, i): ...\n"}
    needed, other = ("models/b.py", "f", "parameters"), ("models/b.py", "g", "parameters")
    assert check(tmp_path, nine, {needed: "a reason"}) == []
    assert rules(check(tmp_path, nine, {needed: "a reason", other: "another"})) == [
        ("models/b.py", "exception to parameters")
    ]
