"""Norms of vectors: those of the vectors that are pushed, in a few numbers."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import pytest

from models.training import norms as module
from models.training.embed import embed
from models.training.norms import embedding_norms, norms_of
from tests.models.training.small import small_graph, small_model


def test_they_are_those_of_the_vectors_that_embed_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph, model = small_graph(), small_model(tmp_path, small_graph())
    moment = graph.schema.window("test").start
    embed(model, graph, moment, tmp_path / "vectors")
    found = embedding_norms(model, graph, moment)
    written = {}
    for side in ("member", "item"):
        column = parquet.read_table(tmp_path / "vectors" / f"{side}.parquet")[f"{side}_tokens"]
        values = found[side].pop("values")
        assert values == model.ranker.config.graph_tokens * model.ranker.config.width
        written[side] = np.stack(column.to_numpy())[:, :values]
        expected = norms_of(written[side])
        assert found[side].pop("quantiles") == pytest.approx(expected.pop("quantiles"), rel=1e-5)
        assert found[side] == pytest.approx(expected, rel=1e-4)
        assert found[side]["rows"] == len(column)
    monkeypatch.setattr(module, "MOST", 5)
    some = embedding_norms(model, graph, moment)["member"]
    chosen = np.arange(5) * len(written["member"]) // 5
    assert some["mean"] == pytest.approx(norms_of(written["member"][chosen])["mean"], rel=1e-5)


def test_figures_of_known_norms() -> None:
    found = norms_of(np.array([[3.0, 4.0], [0.0, 1.0], [0.0, 3.0]]))
    assert (found["rows"], found["mean"], found["quantiles"]) == (3, 3.0, [1.0, 1.0, 3.0, 5.0, 5.0])
    assert norms_of(np.empty((0, 4))) == {"rows": 0}
