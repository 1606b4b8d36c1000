"""Loading a spec: files, YAML merges, the round trip through JSON, and the spans of its windows."""

import dataclasses
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from models.configs.bounds import bounds_of
from models.configs.model import ModelConfig
from models.configs.training import TrainingConfig
from models.spec import Spec, SpecError, check_columns, load_spec, parse_spec
from models.spec.schema import WINDOW_ORDER
from tests.models.spec.small import COLUMNS, GOOD, changed, put

DAY = 86_400_000_000


@pytest.mark.parametrize(
    ("text", "key", "found"),
    [
        ("name: a\nname: b\n", "(document)", "'name'"),
        ('{"name": "a", "name": "b"}', "(document)", "'name'"),
        ("nodes:\n  member: {key: a}\n  member: {key: b}\n", "(document)", "'member' is given twice"),
        ("name: [", "(document)", "expected"),
        ("- a list", "(document)", "list"),
        ("", "(document)", "NoneType"),
        ("start: 2026-13-01", "(document)", "month"),
    ],
)
def test_a_text_that_is_no_mapping_of_keys(text: str, key: str, found: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_spec(text, "small.yaml")
    assert caught.value.key == key
    assert found in caught.value.found


def test_a_missing_file(tmp_path) -> None:
    with pytest.raises(SpecError, match=r"nowhere\.yaml: \(file\): expected a spec in YAML; found no such file"):
        load_spec(tmp_path / "nowhere.yaml")


def test_a_file_that_is_not_utf_8(tmp_path) -> None:
    (tmp_path / "small.yaml").write_bytes("name: Größe".encode("latin-1"))
    with pytest.raises(SpecError, match=r"small\.yaml: \(file\): expected text in UTF-8; found byte 0xf6"):
        load_spec(tmp_path / "small.yaml")


def test_a_merge_brings_keys_that_may_be_replaced() -> None:
    """Also where the merged mapping merges and replaces keys itself, and is deeper in the document."""
    edges = """
edges:
  clicked: &clicked
    <<: {table: impressions, time: settled_time, kind: affinity, domain: feed}
    kind: engagement
    source: {node: member, column: member_id}
    target: {node: post, column: post_id}
  again: {<<: *clicked, domain: mail}
"""
    rest = changed(lambda document: document.pop("edges"))
    spec = parse_spec(edges + rest)
    assert [(edge.kind, edge.domain) for edge in spec.edges.values()] == [
        ("engagement", "feed"),
        ("engagement", "mail"),
    ]
    with pytest.raises(SpecError, match=r"'domain' is given twice"):
        parse_spec(edges.replace("domain: mail", "domain: mail, domain: feed") + rest)


@pytest.mark.parametrize("config", [ModelConfig, TrainingConfig])
def test_every_key_of_model_and_training_has_a_bound(config: type) -> None:
    assert {field.name for field in dataclasses.fields(config)} == set(bounds_of(config))


def test_the_primary_task_need_not_be_the_first() -> None:
    tasks = {"again": {"label": "clicked"}, "best": {"label": "clicked", "primary": True}}
    assert parse_spec(changed(put("tasks", tasks))).primary_task == "best"


def test_a_key_in_an_error_is_the_path_in_the_file() -> None:
    with pytest.raises(SpecError) as caught:
        parse_spec(changed(put("nodes.1st", {"key": "first"})))
    assert caught.value.key == "nodes.1st"


def test_a_good_spec_survives_json() -> None:
    spec = parse_spec(yaml.safe_dump(GOOD))
    check_columns(spec, COLUMNS)
    assert spec.primary_task == "click"
    assert [feature.size for feature in spec.nodes["member"].views["profile"].typed] == [1, 1, 4]
    again = parse_spec(spec.model_dump_json(by_alias=True))
    assert again == spec
    assert again.source.options == {"rate": 0.00001, "size": 3}


def test_domains_choose_edges_and_leave_the_intrinsic_ones() -> None:
    def change(document: dict) -> None:
        edge = {**document["edges"]["clicked"], "filter": {}}
        document["edges"] |= {
            "mailed": {**edge, "domain": "mail"},
            "about": {**edge, "domain": "mail", "kind": "intrinsic"},
        }
        document["domains"] = ["feed"]

    assert set(parse_spec(changed(change)).active_edges()) == {"clicked", "about"}
    assert set(parse_spec(yaml.safe_dump(GOOD)).active_edges()) == {"clicked"}


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(1, 40), min_size=5, max_size=5),
    st.sampled_from(["UTC", "Asia/Shanghai", "America/New_York"]),
    st.dates(datetime(2020, 1, 1).date(), datetime(2030, 1, 1).date()),
)
def test_windows_follow_each_other_from_midnight_to_midnight(days: list[int], zone: str, start) -> None:
    windows = {name: {"days": length} for name, length in zip(WINDOW_ORDER, days, strict=True)}
    spec = Spec.model_validate({**GOOD, "timezone": zone, "windows": {"start": start, **windows}})
    spans = [spec.span(name) for name in WINDOW_ORDER]
    for before, after in pairwise(spans):
        assert before.end == after.start
    for span, length in zip(spans, days, strict=True):
        assert abs(span.end - span.start - length * DAY) <= DAY / 24  # a clock change moves a day by an hour
        local = datetime.fromtimestamp(span.start / 1e6, tz=ZoneInfo(zone))
        assert (local.hour, local.minute) == (0, 0)
