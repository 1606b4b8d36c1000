import torch

from models.nn.encoded import unknown_node
from models.nn.profile import Profile
from tests.models.nn.batches import World, shapes


def test_packed_features_are_read_back(world: World) -> None:
    nodes, features = world.encoded.nodes["member"], world.ranker.encoding.nodes["member"]
    profile = Profile(features, width=8)
    state = torch.tensor([0, 3, len(nodes) - 1])
    rows = profile.layout.pack(nodes, state)
    assert rows.shape == (3, profile.layout.rows, 8)
    found = profile(rows)
    assert found.shape == (3, profile.outputs)
    torch.testing.assert_close(found[:, : profile.layout.numbers], nodes.numbers[state, : profile.layout.numbers])
    torch.testing.assert_close(found[:, profile.layout.numbers :], profile.categories(nodes.categories[state]))


def test_of_an_unknown_node_everything_is_missing(world: World) -> None:
    features = world.ranker.encoding.nodes["member"]
    profile = Profile(features, width=8)
    found = profile(profile.layout.pack(unknown_node(features), torch.zeros(1, dtype=torch.int64)))
    known = len(features.numbers)
    assert found[0, :known].eq(0).all()
    assert found[0, known : 2 * known].eq(1).all()


def test_switched_off_it_has_no_rows(world: World) -> None:
    profile = Profile(world.ranker.encoding.nodes["member"], width=8, on=False)
    assert profile.layout.pack(world.encoded.nodes["member"], torch.tensor([0, 1])).shape == (2, 0, 8)
    assert profile(torch.zeros(2, 0, 8)).shape == (2, 0)


def test_an_invalid_code_is_read_as_a_valid_one(world: World) -> None:
    profile = Profile(world.ranker.encoding.nodes["member"], width=8)
    for strange in (-5.0, 1e9):
        assert profile(torch.full((2, profile.layout.rows, 8), strange)).isfinite().all()


def test_rows_hold_all_numbers_and_codes(world: World) -> None:
    """Two numbers with their flags and one code; an embedding of 8 for the code."""
    features = world.ranker.encoding.nodes["member"]
    sizes = [(p.layout.rows, p.outputs) for p in (Profile(features, width) for width in (1, 2, 4, 5, 6))]
    assert sizes == [(5, 12), (3, 12), (2, 12), (1, 12), (1, 12)]
    assert shapes(Profile(features, 8)) == {"categories.tables.0.weight": (4, 8)}
    assert (Profile(features, 8, on=False).layout.rows, Profile(features, 8, on=False).outputs) == (0, 0)


def test_codes_below_and_above_the_known_ones_are_read_as_the_nearest(world: World) -> None:
    profile = Profile(world.ranker.encoding.nodes["member"], width=5)
    found = [profile(torch.tensor([[1.0, 2.0, 3.0, 4.0, code]])) for code in (-5.0, 0.0, 1.0, 3.0, 4.0, 1e9)]
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[3], found[4])
    assert torch.equal(found[3], found[5])
    assert not torch.equal(found[1], found[2])
    assert found[0][:4].tolist() == [1.0, 2.0, 3.0, 4.0]
