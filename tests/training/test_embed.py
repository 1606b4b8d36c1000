from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import pytest
import torch

from models.nn.clock import local_clock
from models.nn.encoded import encode_graph
from models.training import embed as embedding
from models.training.embed import embed
from models.training.predict import predict
from tests.training.small import MODEL, small_graph, small_model

GRAPH = small_graph()
AS_OF = GRAPH.schema.window("test").start


def column(path: Path, name: str) -> torch.Tensor:
    return torch.from_numpy(np.stack(parquet.read_table(path)[name].to_numpy(zero_copy_only=False)).copy())


def test_stored_tokens_and_the_decoder_give_what_predict_gives(tmp_path: Path) -> None:
    """Train, embed, serve: one arithmetic. Every member with some item, asked at the very moment of the embedding."""
    members, items = GRAPH.schema.node("member").count, GRAPH.schema.node("item").count
    rows = GRAPH.seeds.rows("test")[: members * 2]
    who, what = torch.arange(len(rows)) % members, (torch.arange(len(rows)) * 5) % items
    time = torch.full_like(GRAPH.seeds.time, AS_OF)
    member, item = GRAPH.seeds.member.clone(), GRAPH.seeds.item.clone()
    member[rows], item[rows] = who, what
    asked = replace(GRAPH, seeds=replace(GRAPH.seeds, time=time, member=member, item=item))
    model = small_model(tmp_path, GRAPH)
    manifest = embed(model, GRAPH, AS_OF, tmp_path / "vectors")
    rank = model.ranker
    assert manifest["tokens"] == {"member": rank.rows[0], "item": rank.rows[1]}
    of_members, of_items = (tmp_path / "vectors" / f"{name}.parquet" for name in ("member", "item"))
    contents = column(of_members, "activity_tokens").unflatten(1, (MODEL.activities, MODEL.width))
    times = column(of_members, "activity_times")
    encoded = encode_graph(model.encoding, model.schema, asked)
    hour, weekday = local_clock(time[rows], model.schema.seeds.timezone_offset)
    with torch.inference_mode():
        logits = rank.decode(
            column(of_members, "member_tokens").unflatten(1, (rank.rows[0], MODEL.width))[who],
            contents[who],
            ((AS_OF - times).float() / 1e6 * (times > 0))[who],
            (times > 0)[who],
            column(of_items, "item_tokens").unflatten(1, (1, rank.rows[1], MODEL.width))[what],
            encoded.impression_numbers[rows].unsqueeze(1),
            encoded.impression_categories[rows].unsqueeze(1),
            encoded.surface[rows],
            hour,
            weekday,
        )
    probabilities = model.calibration.apply(logits[:, 0].numpy())
    np.testing.assert_allclose(probabilities, predict(model, asked, rows), atol=1e-5)


def test_the_folder_holds_every_key_and_the_moment(tmp_path: Path) -> None:
    embed(small_model(tmp_path, GRAPH), GRAPH, AS_OF, tmp_path / "vectors")
    for name in ("member", "item"):
        table = parquet.read_table(tmp_path / "vectors" / f"{name}.parquet")
        assert table["key"].combine_chunks().equals(GRAPH.keys(name))
        assert set(table["as_of"].cast("int64").to_pylist()) == {AS_OF}
    times = column(tmp_path / "vectors" / "member.parquet", "activity_times")
    assert times.shape == (GRAPH.schema.node("member").count, MODEL.activities)
    assert times.max() < AS_OF
    assert (times[-1] == 0).all()  # the last member never did anything


def test_nothing_is_left_where_embedding_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = small_model(tmp_path, GRAPH)
    embed(model, GRAPH, AS_OF, tmp_path / "vectors")
    before = {path.name: path.read_bytes() for path in (tmp_path / "vectors").iterdir()}

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(embedding, "write_json", fail)
    with pytest.raises(OSError, match="disk full"):
        embed(model, GRAPH, AS_OF + 1, tmp_path / "vectors")
    assert {path.name: path.read_bytes() for path in (tmp_path / "vectors").iterdir()} == before
    assert {path.name for path in tmp_path.iterdir()} == {"model", "vectors"}
