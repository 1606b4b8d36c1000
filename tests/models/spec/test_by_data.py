"""A spec knows which keys it leaves to the data, also after it was written with every key."""

import pytest

from models.configs.defaults import DECIDED, Decision
from models.spec import SpecError, parse_spec
from models.spec.by_data import bucket_key
from models.spec.decisions import decided, follows, open_keys
from tests.factories.tiny import DOCUMENT, tiny_spec


def test_keys_that_are_not_given_follow_the_data() -> None:
    spec = tiny_spec(training={"epochs": 3})
    expected = [*(key for key in DECIDED if key != "training.epochs"), bucket_key("member"), bucket_key("post")]
    assert open_keys(spec) == expected
    assert set(follows(spec)) == {*expected, "training.epochs"}
    assert parse_spec(spec.model_dump_json(by_alias=True)) == spec


def test_decisions_change_open_keys_alone_and_keep_their_reasons() -> None:
    spec = tiny_spec(training={"epochs": 3})
    found = {
        "training.epochs": Decision(9, "given already"),
        "training.batch_size": Decision(1024, "so many rows"),
        "nodes.post.id_buckets": Decision(64, "often seen"),
    }
    resolved = decided(spec, found)
    assert (resolved.training.epochs, resolved.training.batch_size) == (3, 1024)
    assert (resolved.nodes["post"].id_buckets, resolved.nodes["member"].id_buckets) == (64, 0)
    assert resolved.by_data["training.batch_size"] == "so many rows"
    assert "training.batch_size" not in open_keys(resolved)
    again = parse_spec(resolved.model_dump_json(by_alias=True))
    assert again == resolved
    assert decided(again, found | {"training.batch_size": Decision(512, "later")}) == resolved
    assert decided(spec, {}) == spec


def test_nothing_follows_the_data_where_the_spec_says_so() -> None:
    spec = tiny_spec(by_data={})
    assert not open_keys(spec)
    assert decided(spec, {"training.epochs": Decision(9, "many")}) == spec


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(SpecError, match="by_data"):
        tiny_spec(by_data={"training.seed": ""})


def test_a_document_that_is_no_spec_gets_the_schemas_own_errors() -> None:
    with pytest.raises(SpecError, match="model"):
        tiny_spec(model=7)
    with pytest.raises(SpecError, match="nodes"):
        tiny_spec(nodes=None)
    assert "by_data" not in DOCUMENT
