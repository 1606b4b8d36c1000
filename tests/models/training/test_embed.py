from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as parquet
import pytest
import torch

from models.calibration import Calibration, Platt
from models.graph.sample import Sampler
from models.graph.store import TemporalGraph
from models.time_units import HOUR
from models.training import embed as embedding
from models.training.artifact import Model, save_model
from models.training.embed import embed
from models.training.predict import predict
from serving.ranking.scorer import Scorer, SlateInputs
from tests.models.nn.batches import CONFIG, ready
from tests.models.nn.test_switches import SWITCHES
from tests.models.training.small import MODEL, small_graph, small_model

LAG = 3 * HOUR


def as_of() -> int:
    return small_graph().schema.window("test").start


def column(path: Path, name: str) -> torch.Tensor:
    return torch.from_numpy(np.stack(parquet.read_table(path)[name].to_numpy(zero_copy_only=False)).copy())


COMBINED: list[dict[str, Any]] = [
    {},
    *({key: value} for key, value in SWITCHES.items()),
    {"graph": False, "sequence": False},
    {"sequence": False, "profiles": False, "overlap": False, "counters": False},
    {"item_neighbours": False, "prefix_causal": False, "positions": False, "layers": 2},
    {"experts": 4, "long_term": 2, "task_weighting": "uncertainty", "pieces": 4, "separate_encoders": False},
]


def raw_features(graph: TemporalGraph, row: int) -> dict[str, Any]:
    """A seed's features as a request carries them."""
    columns = graph.schema.seeds.features
    numbers = [column.name for column in columns if column.kind == "number"]
    values: dict[str, Any] = dict(zip(numbers, graph.seeds.numbers[row].tolist(), strict=True))
    categories = [column for column in columns if column.kind == "category"]
    for column, code in zip(categories, graph.seeds.categories[row].tolist(), strict=True):
        values[column.name] = column.vocabulary[code - 1] if code else None
    return values


@pytest.mark.parametrize("change", COMBINED, ids=str)
def test_pushed_tokens_are_served_as_the_training_path_predicts(change: dict[str, Any], tmp_path: Path) -> None:
    """Embed, read back, score as the endpoint does: every seed of the test window, three hours after the push."""
    graph, _, ranker = ready(replace(CONFIG, **change))
    calibration = Calibration({"click": Platt(1.3, -0.4), "dwell": Platt(0.8, 0.1)})
    model = Model(ranker, ranker.encoding, graph.schema, calibration, training={})
    moment, rows = graph.schema.window("test").start, graph.seeds.rows("test")
    requests = replace(graph, seeds=replace(graph.seeds, time=torch.full_like(graph.seeds.time, moment + LAG)))
    manifest = embed(model, graph, moment, tmp_path / "vectors")
    assert manifest["tokens"] == {"member": ranker.rows[0], "item": ranker.rows[1]}
    assert manifest["activities"] == (CONFIG.activities if change.get("sequence", True) else 0)
    members, items = (parquet.read_table(tmp_path / "vectors" / f"{side}.parquet") for side in ("member", "item"))
    pushed = {name: np.stack(members[name].to_numpy()) for name in members.column_names[1:4]}  # (members, values)
    of_items = np.stack(items["item_tokens"].to_numpy())  # (items, values)
    scorer, found = Scorer(save_model(model, tmp_path / "model")), []
    for row in rows.tolist():
        member, item = int(graph.seeds.member[row]), int(graph.seeds.item[row])
        slate = scorer.score(
            SlateInputs(
                **{name: values[member].copy() for name, values in pushed.items()},
                as_of=moment,
                item_tokens=of_items[[max(item, 0)]],
                item_known=np.array([item >= 0]),
                features=raw_features(graph, row),
                surface=graph.schema.seeds.surfaces[int(graph.seeds.surface[row])],
                time=moment + LAG,
            )
        )
        found.append([slate[task][0] for task in model.tasks])
    np.testing.assert_allclose(found, predict(model, requests, rows, lag=LAG), atol=1e-6, rtol=0)


def test_the_folder_holds_every_key_and_the_moment(tmp_path: Path) -> None:
    embed(small_model(tmp_path, small_graph()), small_graph(), as_of(), tmp_path / "vectors")
    for name in ("member", "item"):
        table = parquet.read_table(tmp_path / "vectors" / f"{name}.parquet")
        assert table["key"].combine_chunks().equals(small_graph().keys(name))
        assert set(table["as_of"].cast("int64").to_pylist()) == {as_of()}
    times = column(tmp_path / "vectors" / "member.parquet", "activity_times")
    assert times.shape == (small_graph().schema.node("member").count, MODEL.activities)
    assert times.max() < as_of()
    assert (times[-1] == 0).all()  # the last member never did anything
    members = torch.arange(len(times))
    last = Sampler(small_graph()).activities(members, torch.full_like(members, as_of()), MODEL.activities)
    assert torch.equal(times, last.time)


def test_nothing_is_left_where_embedding_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = small_model(tmp_path, small_graph())
    embed(model, small_graph(), as_of(), tmp_path / "vectors")
    before = {path.name: path.read_bytes() for path in (tmp_path / "vectors").iterdir()}

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(embedding, "write_json", fail)
    with pytest.raises(OSError, match="disk full"):
        embed(model, small_graph(), as_of() + 1, tmp_path / "vectors")
    assert {path.name: path.read_bytes() for path in (tmp_path / "vectors").iterdir()} == before
    assert {path.name for path in tmp_path.iterdir()} == {"model", "vectors"}
