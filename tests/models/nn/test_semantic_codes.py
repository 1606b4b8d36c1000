"""Semantic IDs among a node's categories: tables of their own, out of its plain features, absent without any."""

from dataclasses import replace

import torch

from models.configs.training import TrainingConfig
from models.graph.schema import FeatureColumn, GraphSchema, NodeType
from models.nn.encoding import FeatureEncoding
from models.nn.model import Ranker
from models.nn.profile import own_features
from models.nn.semantic_codes import SemanticCodes
from models.training.groups import parameter_groups
from tests.models.nn.batches import CONFIG, World

NAMES = ("a_code_1", "a_code_2", "b_code_1")
NODE = NodeType("member", 3, (), semantic=(NAMES[:2], NAMES[2:]))


def encoding(*more: str) -> FeatureEncoding:
    names = (*more, *NAMES)
    return FeatureEncoding((), names, (("x", "y"), *[("1", "2", "3")] * 3)[-len(names) :], (), ())


def test_each_id_is_read_by_its_own_tables_and_the_other_categories_stay() -> None:
    torch.manual_seed(0)
    codes = SemanticCodes(NODE, encoding("country"), 4)
    for table in codes.tables:
        for one in table.tables:
            torch.nn.init.normal_(one.weight[1:])
    given = torch.tensor([[2, 1, 3, 2], [1, 0, 0, 0], [0, 3, 0, 1]])
    expected = codes.tables[0](given[:, 1:3]) + codes.tables[1](given[:, 3:])
    torch.testing.assert_close(codes(given), expected)
    assert not codes(given)[1].any()
    assert codes.others.categories == ("country",)
    assert codes(given[:0]).shape == (0, 4)


def test_a_node_without_ids_adds_nothing() -> None:
    codes = SemanticCodes(replace(NODE, semantic=()), FeatureEncoding((), ("c",), (("x",),), (), ()), 4)
    assert not codes(torch.ones(2, 1, dtype=torch.int64)).any()
    assert not list(codes.parameters())


def with_codes(world: World) -> Ranker:
    """The world's ranker with one ID of two levels among its members' features."""
    schema, encoded = world.graph.schema, world.ranker.encoding
    columns = tuple(FeatureColumn(name, "category", vocabulary=("1", "2", "3")) for name in NAMES[:2])
    member = schema.node("member")
    changed = replace(member, features=member.features + columns, semantic=(NAMES[:2],))
    own = encoded.nodes["member"]
    own = replace(
        own, categories=own.categories + NAMES[:2], vocabularies=(*own.vocabularies, ("1", "2", "3"), ("1", "2", "3"))
    )
    nodes = tuple(changed if node.name == "member" else node for node in schema.nodes)
    return Ranker(CONFIG, replace(schema, nodes=nodes), replace(encoded, nodes={**encoded.nodes, "member": own}))


def test_a_ranker_reads_them_in_its_encoder_and_not_beside_the_tokens(world: World) -> None:
    ranker = with_codes(world)
    plain = world.ranker.member_profile.layout
    assert ranker.member_profile.layout == plain
    assert own_features(ranker.schema, ranker.encoding, "member") == world.ranker.encoding.nodes["member"]
    groups = parameter_groups(ranker, TrainingConfig())
    assert [len(group["params"]) for group in groups][1:] == [2]
    nodes = world.encoded.nodes["member"]
    more = torch.tensor([[1, 2]]).repeat(len(nodes), 1)
    encoder = ranker.inputs["member"]
    before = encoder(replace(nodes, categories=torch.cat([nodes.categories, 0 * more], dim=1)))
    with torch.no_grad():
        for table in encoder.semantic.tables[0].tables:
            table.weight[1:] = 1.0
    after = encoder(replace(nodes, categories=torch.cat([nodes.categories, more], dim=1)))
    missing = encoder(replace(nodes, categories=torch.cat([nodes.categories, 0 * more], dim=1)))
    assert torch.equal(missing, before)
    assert not torch.equal(after, before)


def test_the_schema_survives_json_and_has_no_new_key_without_ids(world: World) -> None:
    schema = with_codes(world).schema
    assert GraphSchema.from_json(schema.to_json()) == schema
    assert all("semantic" not in node for node in world.graph.schema.to_json()["nodes"])
