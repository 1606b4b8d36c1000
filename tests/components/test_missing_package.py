"""A package that an image lacks: the step fails with one line, in its log and in the ledger."""

import ast
import builtins
from pathlib import Path
from typing import Any

import pytest
from kfp import dsl

from components.champion import champion
from components.services import Services
from models.spec import Spec
from monitoring.ledger import Ledger
from tests.components.specs import artifact
from tests.mlflow_database import add_database

COMPONENTS = Path(__file__).resolve().parents[2] / "components"


def test_the_log_and_the_ledger_name_it(
    tiny_spec: Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    add_database(tmp_path / "state")
    services, usual = Services.embedded("run-1", tmp_path / "state", tmp_path / "store.yaml"), builtins.__import__

    def lacking(name: str, *given: Any) -> Any:
        if name == "serving.versions.registry":
            raise ModuleNotFoundError("No module named 'duckdb'", name="duckdb")
        return usual(name, *given)

    monkeypatch.setattr(builtins, "__import__", lacking)
    with pytest.raises(ModuleNotFoundError):
        champion.python_func(
            spec=artifact(tiny_spec, tmp_path),
            services=services.to_json(),
            model=dsl.Model(name="model", uri=str(tmp_path / "model")),
        )
    said = "package duckdb: expected it to be installed; found none"
    assert said in capsys.readouterr().out
    (step,) = Ledger(services.tracking_uri, "run-1", tiny_spec.name).read(tmp_path / "ledger").steps
    assert said in step.error


def test_components_import_what_they_need_inside_of_their_steps() -> None:
    found = 0
    for file in COMPONENTS.glob("*.py"):
        for function in ast.parse(file.read_text(encoding="utf-8")).body:
            if not isinstance(function, ast.FunctionDef) or "with Step(" not in ast.unparse(function):
                continue
            early = [node.module or "" for node in function.body if isinstance(node, ast.ImportFrom)]
            ours = [one for one in early if (COMPONENTS.parent / one.partition(".")[0]).is_dir()]
            assert ours == ["components.step"], file
            found += 1
    assert found > 10
