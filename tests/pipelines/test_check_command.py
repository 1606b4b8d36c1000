"""``python -m pipelines check``."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from models import storage
from models.spec import load_spec
from pipelines.__main__ import main
from tests.feature_repo.checks.world import Tables, spec_file, tables
from tests.feature_repo.sources.fakes import install_adapter
from tests.s3_server import bucket, s3_server

__all__ = ["bucket", "s3_server", "spec_file", "tables"]

Write = Callable[..., Path]


def test_the_status_says_whether_a_run_would_be_refused(
    tables: Tables, spec_file: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(spec_file())
    assert main(["check", path]) == 0
    out = capsys.readouterr().out
    assert "window" in out
    assert out.endswith(f"\nnext: python -m pipelines local --spec {path} --state state/{load_spec(path).name}\n")
    tables["impressions"]["clicked"] = 0
    assert main(["check", path, "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert [one.split(":")[0].split("), ")[1] for one in report["errors"]].count("task click") == 4
    assert report["preview"]["windows"]["gate"]["tasks"]["click"]["positives"] == 0


def test_a_spec_or_data_that_is_not_there_is_one_sentence(
    spec_file: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(tmp_path / "none.yaml")]) == 1
    assert "expected a spec in YAML; found no such file" in capsys.readouterr().out
    assert main(["check", str(spec_file()), "--data", str(tmp_path / "none")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: --data: expected a folder")
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt(), KeyError("x"), None])
def test_files_of_an_address_are_removed_however_it_ends(
    monkeypatch: pytest.MonkeyPatch,
    spec_file: Write,
    tables: Tables,
    bucket: str,
    tmp_path: Path,
    error: BaseException | None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    storage.write_bytes(storage.join(bucket, "raw", "one.parquet"), b"x")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))

    def read(spec: object, data: Path) -> Tables:
        assert [path.name for path in data.iterdir()] == ["one.parquet"]
        if error is not None:
            raise error
        return tables

    install_adapter(monkeypatch, read)
    expected = 130 if isinstance(error, KeyboardInterrupt) else int(error is not None)
    assert main(["check", str(spec_file()), "--data", f"{bucket}/raw"]) == expected
    assert list(scratch.iterdir()) == []
    assert "Traceback" not in "".join(capsys.readouterr())
