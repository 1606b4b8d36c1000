from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models.graph.schema import PageRank
from models.nn.encoding import check_schema
from models.nn.errors import EncodingError
from models.training.artifact import load_model
from models.training.train import Scope, train
from tests.models.graph.worlds import varied
from tests.models.training.small import MODEL, TRAINING, small_graph

WALKED = ("clicked", "liked", "follows")
PAGERANKS = (
    PageRank("near", "member", "item", WALKED, fan_out=4, method="walk", walks=20),
    PageRank("like", "item", "item", WALKED, fan_out=3, method="push", epsilon=1e-3),
)


def test_a_ranker_trains_on_every_strategy_and_pagerank(tmp_path: Path) -> None:
    """PageRank branches have weights of their own, these learn, and the same run gives the same bytes."""
    graph = varied(small_graph(), pageranks=PAGERANKS)
    for name, epochs in (("one", 1), ("again", 1), ("two", 2)):
        train(graph, MODEL, TRAINING, tmp_path / name, scope=Scope(epochs=epochs), device="cpu")
    one, again = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "again"))
    assert one == again
    before, after = (load_model(tmp_path / name).ranker.state_dict() for name in ("one", "two"))
    for side, branch in (("member_side", "near"), ("own_item_side", "like")):
        name = f"{side}.attention.hop0_{branch}.score.weight"
        assert before[name].isfinite().all()
        assert not torch.equal(before[name], after[name])
    assert any(path.edges[:1] == ("near",) for path in load_model(tmp_path / "one").ranker.overlap.member)


def test_a_graph_without_the_models_pageranks_is_refused() -> None:
    schema = varied(small_graph(), pageranks=PAGERANKS).schema
    with pytest.raises(EncodingError, match="near"):
        check_schema(schema, replace(schema, pageranks=()))
