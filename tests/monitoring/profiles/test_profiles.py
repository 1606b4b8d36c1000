"""The profile of a version: what it holds, its bytes, and what later days are compared with."""

import json
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from models.spec import Spec
from monitoring.documents import write_frame, write_json
from monitoring.errors import ProfileDocumentError
from monitoring.profiles import VersionProfile, build_profile, compared_with, read_profile, unlike_profile
from monitoring.profiles.build import predicted
from tests.factories import specs
from tests.monitoring.fakes import DOCUMENT, fake_predictions

TASKS = {"click": {"label": "clicked", "primary": True, "attribution": "8h"}, "like": {"label": "liked"}}
SPEC: Spec = specs.spec_of({**DOCUMENT, "tasks": TASKS})
ROWS, GROWS = 600, "member_total_exposures"


def rows(seed: int = 0, grown: float = 0.0) -> pd.DataFrame:
    """Impressions of the two days of the train window; clicks are known after one hour, one in four after three."""
    random, span = np.random.default_rng(seed), SPEC.span("train")
    time = pd.Series(pd.to_datetime(random.integers(span.start, span.end, ROWS), unit="us", utc=True))
    clicked = random.random(ROWS) < 0.2
    late = np.where(np.arange(ROWS) % 4 == 0, 3, 1)
    return pd.DataFrame(
        {
            "member": random.integers(0, 400, ROWS),
            "item": random.integers(0, 5, ROWS),
            "surface": random.choice(["feed", "notification"], ROWS),
            "time": time,
            "settled_time": time + pd.to_timedelta(late, unit="h"),
            "window": "train",
            "clicked": clicked,
            "liked": False,
            "hour": random.integers(0, 24, ROWS).astype(float),
            "kind": random.choice(["a", "b"], ROWS),
            "member_total_exposures": random.poisson(5, ROWS) + grown,
            "member_total_click_rate": random.random(ROWS),
            "member_total_like_rate": random.random(ROWS),
        }
    )


def built(folder: Path, frame: pd.DataFrame) -> VersionProfile:
    write_frame(folder / "set" / "impressions.parquet", frame)
    write_frame(folder / "evaluation" / "predictions.parquet", fake_predictions(SPEC, rows=400))
    write_json(folder / "evaluation" / "embeddings.json", {"item": {"mean": 1.0}})
    edges = [{"name": name, "source": "member", "domain": "feed"} for name in ("clicked", "rev_clicked")]
    counts = {"nodes": {"member": 10, "item": 5}, "edges": {"clicked": 40, "rev_clicked": 40}}
    write_json(folder / "graph" / "manifest.json", {"counts": counts, "schema": {"edges": edges}})
    return build_profile(SPEC, folder / "set", folder / "evaluation", folder / "graph")


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> VersionProfile:
    return built(tmp_path_factory.mktemp("built"), rows())


def test_a_profile_holds_what_the_version_was_trained_and_judged_on(profile: VersionProfile) -> None:
    assert {"hour", "kind", "surface", "member_total_exposures"} <= profile.columns.columns.keys()
    assert set(profile.predictions["click"]) == {"all", "feed", "notification"}
    low, high = profile.predictions["click"]["all"]["mean"]
    assert 0.2 < low <= high < 0.5
    assert 0 < profile.predictions["click"]["all"]["most"] < 0.1
    low, high = profile.labels["click"]["all"]
    assert 0.15 < low < high < 0.25
    assert profile.calibration["click"]["all"]["mean"] == pytest.approx(0.0, abs=0.15)
    assert profile.delay.keys() == {"click"}
    assert sum(profile.delay["click"][:9]) == profile.delay["click"][8] + profile.delay["click"][7]
    assert profile.delay["click"][8] == pytest.approx(0.75 * sum(profile.delay["click"]), abs=10)
    assert profile.graph["degree"] == {"clicked": 4.0}
    assert profile.graph["domains"] == {"feed": 1.0}
    assert profile.embeddings == {"item": {"mean": 1.0}}
    assert profile.graph["cold"]["item"] == 0.0
    assert 0.1 < profile.graph["cold"]["member"] < 0.9
    assert profile.limits["kind"] == {"null_now": 0.0, "infinite_now": 0.0, "new_share": 0.0, "most": ANY}
    assert 0.5 <= profile.limits["kind"]["most"] < 0.6


def test_the_same_rows_in_any_order_give_the_same_document(profile: VersionProfile, tmp_path: Path) -> None:
    again = built(tmp_path, rows().sample(frac=1, random_state=3))
    assert json.dumps(again.to_json(), allow_nan=False) == json.dumps(profile.to_json(), allow_nan=False)


def test_a_profile_is_read_from_a_bundle_and_an_older_bundle_has_none(profile: VersionProfile, tmp_path: Path) -> None:
    assert read_profile(tmp_path) is None
    write_json(tmp_path / "profile.json", profile.to_json())
    assert read_profile(tmp_path) == profile
    strange: list[dict[str, Any]] = [{}, {"format": 2}, {**profile.to_json(), "more": 1}]
    for document in strange:
        write_json(tmp_path / "profile.json", document)
        with pytest.raises(ProfileDocumentError, match="expected format 2"):
            read_profile(tmp_path)
    (tmp_path / "profile.json").write_text('{"format": 2', encoding="utf-8")
    with pytest.raises(ProfileDocumentError, match="expected JSON"):
        read_profile(tmp_path)


def test_a_profile_of_another_format_is_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_json(tmp_path / "profile.json", {"format": 1, "columns": {}, "predictions": {"click": {"all": {}}}})
    assert read_profile(tmp_path) is None
    assert unlike_profile(tmp_path, tmp_path, tmp_path) == []
    assert len(caplog.records) == 2
    assert "expected format 2; found 1" in caplog.text


def test_a_surface_with_a_few_rows_has_no_ends(tmp_path: Path) -> None:
    small = np.where(np.arange(ROWS) < 199, "notification", "feed")
    frame = rows().assign(surface=small)
    write_frame(tmp_path / "impressions.parquet", frame)
    assert build_profile(SPEC, tmp_path).labels["click"].keys() == {"all", "feed"}
    judged = pd.DataFrame({"surface": small, "day": frame["time"].dt.floor("D"), "label_click": frame["clicked"] * 1.0})
    judged["probability_click"] = np.linspace(0.1, 0.3, ROWS)
    assert predicted(["click"], judged)["predictions"]["click"].keys() == {"all", "feed"}
    assert predicted(["click"], judged.iloc[:5])["predictions"]["click"].keys() == {"all"}
    assert predicted(["click"], judged.iloc[:0])["predictions"] == {"click": {}}


def test_what_grows_is_compared_for_lost_values_only(profile: VersionProfile) -> None:
    later = pa.Table.from_pandas(rows(1, grown=100.0), preserve_index=False)
    found = profile.compare(profile.profile(later))
    assert (found[GROWS].psi, found[GROWS].changes) == (0.0, ())
    assert all(not shift.distance for shift in found.values())
    nulls = later.set_column(later.column_names.index("hour"), "hour", pa.nulls(ROWS, pa.float64()))
    assert profile.compare(profile.profile(nulls, ["hour", "unknown"]))["hour"].dying
    lost = profile.compare(profile.profile(pa.table({GROWS: pa.nulls(ROWS)}), [GROWS]))
    assert lost[GROWS].dying


def test_an_empty_train_window_has_a_profile(tmp_path: Path) -> None:
    write_frame(tmp_path / "set" / "impressions.parquet", rows().assign(window="test"))
    empty = build_profile(SPEC, tmp_path / "set")
    assert (empty.labels, empty.predictions, empty.limits) == ({"click": {}, "like": {}},) * 2 + ({},)
    assert VersionProfile.from_json(empty.to_json()) == empty


def served(label: list[float | None]) -> pa.Table:
    """Candidates: those with a label have the hour 1, all others 5; the last one is a fallback."""
    hour = [5.0 if one is None else 1.0 for one in label]
    fallback = [False] * (len(label) - 1) + [True]
    version = ["2" if place % 4 == 1 else "3" for place in range(len(label))]
    columns = {"label_click": pa.array(label, pa.float64()), "fallback": fallback, "hour": hour}
    return pa.table({**columns, "model_version": version})


@pytest.mark.parametrize(("shown", "rows"), [(60, 60), (40, 139), (0, 99)])
def test_impressions_are_compared_where_it_is_known_what_was_shown(
    profile: VersionProfile, shown: int, rows: int
) -> None:
    found = compared_with({"3": profile}.get)(served([1.0] * shown + [None] * 100))
    assert (found["version"], found["columns"]["hour"]["rows"]) == ("3", rows)
    assert found["labels"] == profile.labels
    assert found["digest"] == VersionProfile.from_json(profile.to_json()).digest


def test_a_day_without_rows_or_profile_has_no_shifts(profile: VersionProfile) -> None:
    assert compared_with({"3": profile}.get)(served([None]).slice(0, 0)) == {}
    assert compared_with({"2": profile}.get)(served([None] * 9)) == {}
    fallbacks = compared_with({"3": profile}.get)(served([None]))
    assert (fallbacks["version"], fallbacks["columns"]) == ("3", {})


def test_data_without_delays_has_none(tmp_path: Path) -> None:
    assert built(tmp_path, rows().assign(settled_time=lambda frame: frame["time"])).delay == {}
