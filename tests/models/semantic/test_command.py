"""The command and its artifact: the same bytes by a seed, errors that name the row, and nothing left by a failure."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from models.semantic.__main__ import main
from models.semantic.artifact import load_quantizer, read_codes
from models.semantic.errors import SemanticError

ROWS = 60


def table(**change: Any) -> pa.Table:
    """Keys of 62 bits and vectors; row 5 has none."""
    random = np.random.default_rng(0)
    lists: list[Any] = random.normal(size=(ROWS, 5)).astype(np.float32).tolist()
    lists[5] = None
    columns = {"movie": pa.array(np.arange(ROWS) + 2**62), "vector": pa.array(lists, pa.list_(pa.float32()))}
    return pa.table({**columns, **change})


def run(folder: Path, found: pa.Table, *more: str, out: str = "ids") -> int:
    pq.write_table(found, folder / "v.parquet")
    given = ["--key", "movie", "--vector", "vector", "--out", str(folder / out), "--codes", "8", "--iterations", "5"]
    return main([str(folder / "v.parquet"), *given, *more])


def test_every_key_with_a_vector_gets_its_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, table()) == 0
    assert "59 keys, 1 without a vector\n5 bytes a key, 4.0 times smaller than 5 float32" in capsys.readouterr().out
    quantizer = load_quantizer(tmp_path / "ids")
    keys, codes = read_codes(tmp_path / "ids", quantizer)
    kept = [row for row in range(ROWS) if row != 5]
    assert keys.to_pylist() == [2**62 + row for row in kept]
    expected = quantizer.encode(torch.tensor(table()["vector"].take(kept).to_pylist()))
    assert torch.equal(codes.residual, expected.residual)
    assert torch.equal(codes.scalar, expected.scalar)


def test_the_same_file_and_seed_give_the_same_bytes_and_a_start_keeps_the_codes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert run(tmp_path, table(), out=name) == 0
    assert run(tmp_path, table(), "--start", str(tmp_path / "a"), out="c") == 0
    for name in ("manifest.json", "quantizer.safetensors", "codes.parquet"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    (_, old), (_, new) = (read_codes(tmp_path / name, load_quantizer(tmp_path / name)) for name in "ac")
    assert torch.equal(old.scalar, new.scalar)


VECTOR = table()["vector"].to_pylist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vector": pa.array([*VECTOR[:7], [1.0], *VECTOR[8:]])}, "row 7: expected 5 numbers, as in the rows before"),
        ({"vector": pa.array([*VECTOR[:7], [np.nan] * 5, *VECTOR[8:]])}, "row 7: expected finite numbers up to 1e15"),
        ({"vector": pa.array([*VECTOR[:7], [1, 1, 1, 1, None], *VECTOR[8:]])}, "row 7: expected finite numbers"),
        ({"vector": pa.array([[1e300] * 5] * ROWS)}, "row 0: expected finite numbers up to 1e15; found 1e.300"),
        ({"vector": pa.array([[]] * ROWS, pa.list_(pa.float32()))}, "row 0: expected 1 to 4096 numbers; found 0"),
        ({"vector": pa.nulls(ROWS, pa.list_(pa.float32()))}, "expected vectors in 'vector'; found nulls only"),
        ({"vector": pa.array(["1 2"] * ROWS)}, "expected lists of numbers in 'vector'; found string"),
        ({"movie": pa.array([*range(ROWS - 1), 0])}, "expected each key of 'movie' once; found 0 2 times"),
        ({"movie": pa.array([None, *range(ROWS - 1)])}, "row 0: expected a key in 'movie'; found null"),
        ({"movie": pa.array([0.5] * ROWS)}, "expected integers or text in 'movie'; found double"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, Any], message: str
) -> None:
    assert run(tmp_path, table(**change)) == 1
    found = capsys.readouterr().err
    assert message.replace("1e.300", "1e+300") in found
    assert [path.name for path in tmp_path.iterdir()] == ["v.parquet"]


def test_files_and_settings_that_cannot_be_used_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, table().slice(0, 0)) == 1
    assert "expected 1 to 50,000,000 rows; found 0" in capsys.readouterr().err
    assert run(tmp_path, table().rename_columns(["other", "vector"])) == 1
    assert "expected the column 'movie' once; found other, vector" in capsys.readouterr().err
    (tmp_path / "ids").mkdir()
    assert run(tmp_path, table()) == 1
    assert "expected no such folder yet" in capsys.readouterr().err
    assert run(tmp_path, table(), "--codes", "100", out="x") == 1
    assert "expected at least 100 that are finite; found 59" in capsys.readouterr().err
    (tmp_path / "v.parquet").write_text("no")
    given = [str(tmp_path / "v.parquet"), "--key", "a", "--vector", "b", "--out", str(tmp_path / "x")]
    assert main(given) == 1
    assert "expected a Parquet file" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["quantizer.safetensors", "codes.parquet", "manifest.json"])
def test_a_changed_file_is_refused(tmp_path: Path, name: str) -> None:
    run(tmp_path, table())
    path = tmp_path / "ids" / name
    path.write_bytes(path.read_bytes()[:-3] + b"abc")
    with pytest.raises(SemanticError, match=f"{name}: expected .*Quantize the vectors again"):
        read_codes(tmp_path / "ids", load_quantizer(tmp_path / "ids"))
