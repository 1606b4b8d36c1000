import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from feature_repo.sources import professional, read_table
from feature_repo.sources.errors import SourceError
from models.metrics import auc
from models.spec import Spec, SpecError, load_spec, parse_spec
from tests.conftest import PROFESSIONAL

TINY_DIGEST = "0f79c477744d3a1b12d24c3a374b482cce13827fb9bdd49f41c7fc364e0f97cc"
DEFAULT_DIGEST = "df51972a86778507deb2ec890b36f6b410800988c066a5d475a447f90d656bf0"


def digest(tables: dict[str, pd.DataFrame]) -> str:
    """sha256 over names, columns and values: independent of Parquet and of what pandas keeps beside the values."""
    found = hashlib.sha256()
    for name in sorted(tables):
        for column in tables[name].columns:
            found.update(f"{name}.{column}:".encode())
            found.update(_bytes(tables[name][column]))
    return found.hexdigest()


def _bytes(values: pd.Series) -> bytes:
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        return values.astype("datetime64[us, UTC]").astype("int64").to_numpy().astype("<i8").tobytes()
    if values.dtype != object:
        array = values.to_numpy()
        return array.astype("<f8" if array.dtype.kind == "f" else "<i8").tobytes()
    if isinstance(values.iloc[0], str):
        return "\n".join(values).encode()
    return np.stack(values.to_list()).astype("<f4").tobytes()


def with_options(spec: Spec, **options: object) -> Spec:
    return spec.model_copy(update={"source": spec.source.model_copy(update={"options": options})})


def test_tiny_world_is_fixed(tiny_spec: Spec):
    assert digest(professional.read(tiny_spec, None)) == TINY_DIGEST


def test_default_world_is_fixed(default_tables: dict[str, pd.DataFrame]):
    assert digest(default_tables) == DEFAULT_DIGEST


def test_default_world_has_the_promised_size_and_ceiling(default_tables: dict[str, pd.DataFrame]):
    shown, oracle = default_tables["impressions"], default_tables["oracle"]
    assert 280_000 < len(shown) < 340_000
    assert 0.15 < shown["clicked"].mean() < 0.25
    span = load_spec(PROFESSIONAL).span("test")
    time = shown["time"].astype("int64").to_numpy()
    test = (time >= span.start) & (time < span.end)
    labels, probability = shown["clicked"].to_numpy()[test], oracle["probability"].to_numpy()[test]
    assert 0.78 < auc(labels, probability) < 0.85
    assert abs(labels.mean() - probability.mean()) < 0.01


def test_tables_are_those_declared(default_tables: dict[str, pd.DataFrame]):
    assert {name: tuple(frame.columns) for name, frame in default_tables.items()} == professional.TABLES


def test_the_oracle_is_no_feature():
    spec = load_spec(PROFESSIONAL)
    read = {view.table for node in spec.nodes.values() for view in node.views.values()}
    assert spec.oracle is not None
    assert spec.oracle.table not in read | {edge.table for edge in spec.edges.values()} | {spec.impressions.table}


def test_ingested_tables_lose_no_row(tiny_spec: Spec, tiny_tables: Path):
    for name, frame in professional.read(tiny_spec, None).items():
        assert len(read_table(tiny_tables, name)) == len(frame)


def test_profiles_have_versions(default_tables: dict[str, pd.DataFrame]):
    members = default_tables["members"]
    assert members.groupby("member_id").size().max() > 1
    assert not members.duplicated(["member_id", "valid_from"]).any()
    assert set(members["open_to_work"]) == {"no", "yes"}


def test_a_world_runs_as_long_as_the_windows(tiny_spec: Spec):
    document = yaml.safe_load(tiny_spec.model_dump_json(by_alias=True))
    document["windows"]["graph"]["days"] = 3
    spec = parse_spec(yaml.safe_dump(document))
    time = professional.read(spec, None)["impressions"]["time"].astype("int64")
    assert time.min() >= spec.span("graph").start
    assert spec.span("test").start < time.max() < spec.span("test").end


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": "huge"}, "one of tiny, default, large; found 'huge'"),
        ({"seed": -1}, "a whole number of 0 or more; found -1"),
        ({"seed": True}, "found True"),
        ({"days": 0}, "days: expected a whole number from 1 to 3660; found 0"),
        ({"days": True}, "found True"),
        ({"start": "2026-13-01"}, "start: expected a text such as .2026-03-02.; found '2026-13-01'"),
        ({"start": 5}, "found 5"),
        ({"seeds": 1}, "expected size, seed, start, days; found 'seeds'"),
    ],
)
def test_wrong_options(tiny_spec: Spec, options: dict[str, object], words: str):
    with pytest.raises(SourceError, match=words):
        professional.read(with_options(tiny_spec, **options), None)


def test_a_folder_without_parts_is_refused(tiny_spec: Spec, tmp_path: Path):
    with pytest.raises(SourceError, match="members: expected Parquet files with member_id"):
        professional.read(tiny_spec, tmp_path)


def test_a_wrong_column_in_the_spec_is_found_before_anything_is_read(tiny_spec: Spec):
    from feature_repo.sources.adapters import check

    document = yaml.safe_load(tiny_spec.model_dump_json(by_alias=True))
    document["nodes"]["post"]["views"]["post_content"]["features"] = {"post_color": "category"}
    with pytest.raises(SpecError, match="post_color"):
        check(parse_spec(yaml.safe_dump(document)))
