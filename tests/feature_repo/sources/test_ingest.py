import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from feature_repo.sources import adapter, check, end_of_data, read_manifest, read_table
from feature_repo.sources.adapters import columns_of
from feature_repo.sources.errors import SourceError, TableError
from feature_repo.sources.ingest import ingest
from models.spec import SpecError, parse_spec
from tests.factories import specs
from tests.feature_repo.sources.fakes import DOCUMENT, TABLES, install_adapter, instants, small_spec, small_tables


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> dict[str, pd.DataFrame]:
    """The tables that the adapter ``fake`` returns; tests change them."""
    tables = small_tables()
    install_adapter(monkeypatch, lambda spec, data: tables)
    return tables


def test_the_tables_and_their_manifest(fake: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    manifest = ingest(small_spec(), None, tmp_path / "tables")
    assert manifest == read_manifest(tmp_path / "tables")
    assert manifest["adapter"] == "fake"
    assert manifest["options"] == {"size": 3}
    counted = {"counter_by_member", "counter_by_post", "counter_overall"}
    assert set(manifest["tables"]) == {"impressions", "members", "follows", *counted}
    part = manifest["tables"]["impressions"]
    assert (part["rows"], part["duplicates"], part["dropped"]) == (4, 0, {})
    assert part["columns"]["time"] == "timestamp[us, tz=UTC]"
    assert part["first"] == "2026-01-01T01:00:00+00:00"
    shown = read_table(tmp_path / "tables", "impressions")
    assert shown["impression_id"].tolist() == [0, 1, 2, 3]
    assert str(shown["time"].dtype) == "datetime64[us, UTC]"
    assert shown["clicked"].dtype == "int8"
    members = read_table(tmp_path / "tables", "members")
    assert members["age"].dtype == "float32"
    assert members["taste"][0].tolist() == [0.5, 1.0]
    assert members["job"].tolist() == ["cook", None]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tables"]


@pytest.mark.parametrize("ids", [["a/0/0", None, "a/0/1", None], [None] * 4])
def test_ids_of_served_impressions_are_text_where_there_are_any(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ids: list[str | None]
) -> None:
    tables, document = small_tables(), {**DOCUMENT, "impressions": {**DOCUMENT["impressions"], "served": "answer"}}
    tables["impressions"]["answer"] = ids
    columns = {**TABLES, "impressions": (*TABLES["impressions"], "answer")}
    install_adapter(monkeypatch, lambda spec, data: tables, columns)
    manifest = ingest(specs.spec_of(document), None, tmp_path / "tables")
    assert manifest["tables"]["impressions"]["columns"]["answer"] == "string"
    found = read_table(tmp_path / "tables", "impressions").set_index("impression_id")["answer"]
    assert found.loc[[3, 0, 1, 2]].tolist() == ids
    for wrong in ([1, 2, 3, 4], ["a/0/0", " b", None, None]):
        tables["impressions"]["answer"] = wrong
        with pytest.raises(SourceError, match=r"column answer: expected (strings|text without spaces)"):
            ingest(specs.spec_of(document), None, tmp_path / "tables")


def test_the_same_input_gives_the_same_digests(fake: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    assert ingest(small_spec(), None, tmp_path / "a") == ingest(small_spec(), None, tmp_path / "b")


def test_a_complete_folder_is_replaced_and_an_error_leaves_it(fake: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    target = tmp_path / "tables"
    first = ingest(small_spec(), None, target)
    (target / "stray.txt").write_text("of the old folder")
    fake["impressions"]["seconds"] += 1
    second = ingest(small_spec(), None, target)
    assert second["tables"]["impressions"]["sha256"] != first["tables"]["impressions"]["sha256"]
    assert not (target / "stray.txt").exists()
    fake["impressions"]["clicked"] = 7
    with pytest.raises(SourceError):
        ingest(small_spec(), None, target)
    assert read_manifest(target) == second
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tables"]


def test_a_killed_run_leaves_no_half_table(fake: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    """A process is killed while it holds a half-written folder; the next run removes what it left."""
    target = tmp_path / "tables"
    code = (
        "import sys, time, pathlib\n"
        "from models.files import replaced_folder\n"
        "with replaced_folder(pathlib.Path(sys.argv[1])) as fresh:\n"
        "    (fresh / 'impressions.parquet').write_text('half')\n"
        "    print('writing', flush=True)\n"
        "    time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(target)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        os.kill(process.pid, signal.SIGKILL)
    assert not target.exists()
    assert len(list(tmp_path.iterdir())) == 1
    manifest = ingest(small_spec(), None, target)
    assert [path.name for path in tmp_path.iterdir()] == ["tables"]
    assert read_manifest(target) == manifest


def test_a_run_killed_between_the_renames_is_put_back(fake: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    target = tmp_path / "tables"
    first = ingest(small_spec(), None, target)
    target.rename(tmp_path / ".tables.previous")
    fake["impressions"]["clicked"] = 7
    with pytest.raises(SourceError):
        ingest(small_spec(), None, target)
    from models.files import replaced_folder

    with pytest.raises(KeyError), replaced_folder(target):
        raise KeyError
    assert read_manifest(target) == first


def test_the_spec_is_checked_before_anything_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def read(spec: object, data: object) -> dict:
        raise AssertionError("read before the spec was checked")

    install_adapter(monkeypatch, read, {"impressions": ("impression_id",)})
    with pytest.raises(SpecError, match=r"spec small: .*expected a table of the adapter"):
        ingest(small_spec(), None, tmp_path / "tables")
    with pytest.raises(SpecError, match=r"^configs/small.yaml: "):
        check(small_spec(), "configs/small.yaml")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("table", "columns", "message"),
    [
        ("further", ("a", "A"), r"table 'further', column 'a': expected a unique name, ignoring case"),
        ("further", ("File_Row_Number",), r"column 'File_Row_Number': .* which DuckDB adds to a file"),
        ("further", ("filename", "b"), "column 'filename'"),
        ("Impressions", ("a",), "table 'Impressions': expected a unique name; found 'impressions' as well"),
        ("counter_{counter}", ("a",), "expected a name that no table of ours has"),
        ("Counter_Overall", ("a",), "expected a name that no table of ours has"),
    ],
)
def test_tables_and_columns_of_an_adapter_have_names_of_their_own(
    table: str, columns: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = small_spec()
    name = table.format(counter=next(iter(spec.counters)))
    install_adapter(monkeypatch, lambda spec, data: {}, {**TABLES, name: columns})
    with pytest.raises(SourceError, match=message):
        check(spec)


@pytest.mark.parametrize("name", ["kuairnd", "ingest", "../kuairand", ""])
def test_an_unknown_adapter(name: str) -> None:
    with pytest.raises(SourceError, match=r"source.adapter: expected one of .*kuairand.*; found"):
        adapter(name)


def test_an_adapter_outside_of_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "our_company").mkdir()
    (tmp_path / "our_company" / "logs.py").write_text("TABLES = {'one': ('a',)}\ndef read(spec, data): return {}\n")
    (tmp_path / "our_company" / "half.py").write_text("TABLES = {}\n")
    (tmp_path / "our_company" / "broken.py").write_text("1 / 0\n")
    document = {**DOCUMENT, "source": {"adapter": "our_company.logs"}}
    assert columns_of(specs.spec_of(document)) == {"one": ("a",)}
    for name, words in (
        ("our_company.nowhere", "or a module that Python finds .*; found 'our_company.nowhere'"),
        ("our_company.half", "found 'our_company.half', which lacks TABLES or read"),
        (
            "our_company.broken",
            "adapter our_company.broken: expected .* without an error; found ZeroDivisionError",
        ),
    ):
        with pytest.raises(SourceError, match=words):
            adapter(name)


def test_tables_in_the_spec_need_their_adapter() -> None:
    tables = {"impressions": {"files": "a.csv", "columns": {"a": "a"}}}
    document = {**DOCUMENT, "source": {"adapter": "kuairand", "tables": tables}}
    with pytest.raises(SourceError, match=r"expected them with adapter: tables; found adapter: kuairand"):
        columns_of(specs.spec_of(document))
    with pytest.raises(SourceError, match=r"source.tables: expected a table for every one that the spec names"):
        columns_of(specs.spec_of({**DOCUMENT, "source": {"adapter": "tables"}}))


def test_damaged_tables_are_distinguished(fake: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    target = tmp_path / "tables"
    with pytest.raises(TableError, match=r"manifest.json: expected the manifest of ingested tables"):
        read_table(target, "impressions")
    ingest(small_spec(), None, target)
    with pytest.raises(TableError, match=r"expected one of the tables counter_by_member, .*; found 'posts'"):
        read_table(target, "posts")
    path = target / "members.parquet"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(TableError, match=r"members.parquet: expected sha256 .*; found .*Run the ingest step again"):
        read_table(target, "members")
    path.unlink()
    with pytest.raises(TableError, match=r"members.parquet: expected the file that the manifest lists"):
        read_table(target, "members")
    (target / "manifest.json").write_text("{")
    with pytest.raises(TableError, match=r"manifest.json: expected JSON"):
        read_manifest(target)
    (target / "manifest.json").write_text(json.dumps([]))
    with pytest.raises(TableError, match="expected a manifest with 'tables'"):
        read_manifest(target)


def test_tables_may_be_empty_except_the_impressions(fake: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    fake["follows"] = fake["follows"].iloc[:0]
    fake["members"] = pd.DataFrame({name: [] for name in fake["members"]}).assign(valid_from=instants([]))
    ingest(small_spec(), None, tmp_path / "tables")
    assert read_manifest(tmp_path / "tables")["tables"]["members"]["columns"] == {
        "member_id": "int64",
        "valid_from": "timestamp[us, tz=UTC]",
        "age": "float",
        "job": "string",
        "taste": "list<item: float>",
    }
    assert len(read_table(tmp_path / "tables", "follows")) == 0
    fake["impressions"] = fake["impressions"].iloc[:0]
    with pytest.raises(SourceError, match=r"expected impressions between 2025-12-31 16:00:00.* found none"):
        ingest(small_spec(), None, tmp_path / "tables")


def test_new_data_after_the_windows_arrive(fake: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    """In the tables and the counters up to the last row of the data."""
    ingest(small_spec(), None, tmp_path / "before")
    shown = fake["impressions"]
    later = shown.iloc[:1].assign(
        impression_id=9, time=instants(["2026-01-10 09:00"]), settled_time=instants(["2026-01-10 23:00"])
    )
    last = later.assign(
        impression_id=10, time=instants(["2026-01-12 09:00"]), settled_time=instants(["2026-01-12 09:01"])
    )
    fake["impressions"] = pd.concat([shown, later, last], ignore_index=True)
    ingest(small_spec(), None, tmp_path / "after")
    assert read_table(tmp_path / "after", "impressions")["impression_id"].tolist() == [0, 1, 2, 3, 9, 10]
    counted = read_table(tmp_path / "after", "counter_by_member")
    assert counted["valid_from"].max() == last["settled_time"][0]
    assert counted["by_member_shown"].max() == 5
    assert end_of_data(tmp_path / "before") < end_of_data(tmp_path / "after")
    assert end_of_data(tmp_path / "after") == last["settled_time"][0].value // 1000 + 1


def test_options_and_names_are_checked_early(monkeypatch: pytest.MonkeyPatch) -> None:
    module = install_adapter(monkeypatch, lambda spec, data: {})

    def check_options(options: dict) -> None:
        if options != {"size": 3}:
            raise SourceError(f"source.options: expected size 3; found {options}")

    monkeypatch.setattr(module, "check_options", check_options, raising=False)
    text = small_spec().model_dump_json(by_alias=True)
    check(small_spec())
    with pytest.raises(SourceError, match=r"^small.yaml: source.options: expected size 3; found {'size': 4}"):
        check(parse_spec(text.replace('"size":3', '"size":4')), "small.yaml")
    with pytest.raises(SourceError, match=r"^small.yaml: view 'member_vectors_green': expected a unique name"):
        check(parse_spec(text.replace('"profile"', '"member_vectors_green"')), "small.yaml")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("professional", {"size": "tinny"}, "source.options.size: expected one of tiny, default, large; found 'tinny'"),
        ("professional", {"seed": "7"}, "source.options.seed: expected a whole number of 0 or more; found '7'"),
        ("professional", {"sise": "tiny"}, "source.options: expected size, seed, start, days; found 'sise'"),
        ("kuairand", {"size": "tiny"}, "source.options: expected none but tab for kuairand; found 'size'"),
    ],
)
def test_wrong_options(name: str, options: dict, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        adapter(name).check_options(options)


def test_a_column_of_many_types_is_an_error(fake: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    fake["impressions"]["seconds"] = [1.0, "two", 3.0, 4.0]
    with pytest.raises(TableError, match=r"table impressions: expected columns of one type each; found .*seconds"):
        ingest(small_spec(), None, tmp_path / "tables")
    assert list(tmp_path.iterdir()) == []


def test_ingest_is_quick_to_import() -> None:
    """Listing the adapters loads none of the libraries that are slow to import."""
    code = (
        "import sys, feature_repo.sources; print([m for m in ('feast', 'torch', 'kfp', 'mlflow') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
