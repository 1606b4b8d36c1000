"""Every mistake in a spec ends in one error that names the file, the key, what was expected and what was found."""

import copy
import dataclasses
from collections.abc import Callable
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from models.nn.bounds import MODEL, Bound
from models.nn.config import ModelConfig
from models.spec import Spec, SpecError, check_columns, load_spec, parse_spec
from models.spec.schema import WINDOW_ORDER
from models.training.bounds import TRAINING
from models.training.config import TrainingConfig

DAY = 86_400_000_000

GOOD = yaml.safe_load(
    """
name: small
timezone: Asia/Shanghai
source: {adapter: fake, options: {rate: 0.00001, size: 3}}
nodes:
  member:
    key: member_id
    views: {profile: {table: members, features: {age: number, job: category, text: "vector[4]"}}}
  post:
    key: post_id
edges:
  clicked:
    table: impressions
    source: {node: member, column: member_id}
    target: {node: post, column: post_id}
    time: settled_time
    kind: engagement
    domain: feed
    filter: {clicked: [1]}
    fan_out: [2, 1]
impressions:
  member: {node: member, column: member_id}
  item: {node: post, column: post_id}
  surfaces: [feed, mail]
  context: {hour: number}
  outcomes: [clicked, seconds]
tasks:
  click: {label: clicked, primary: true}
counters:
  by_post: {keys: [item]}
windows: {start: 2026-01-01}
home_domain: feed
"""
)
COLUMNS = {
    "impressions": (
        *("impression_id", "time", "settled_time", "member_id", "post_id", "surface", "hour", "clicked", "seconds"),
    ),
    "members": ("member_id", "valid_from", "age", "job", "text"),
}


def changed(change: Callable[[dict], object]) -> str:
    document = copy.deepcopy(GOOD)
    change(document)
    return yaml.safe_dump(document)


def put(path: str, value: object) -> Callable[[dict], object]:
    """A change that sets one key, by its dotted path."""

    def change(document: dict) -> None:
        *parents, last = path.split(".")
        for parent in parents:
            document = document[parent]
        document[last] = value

    return change


MADE_BY = {
    **{"table": "posts", "source": {"node": "post", "column": "post_id"}, "time": "time", "fan_out": [1, 1]},
    **{"target": {"node": "author", "column": "author_id"}, "kind": "intrinsic", "domain": "feed"},
}
FAN = {"engagement": "clicked", "creation": "made_by", "within_days": 7, "fan_out": [2, 1]}
DENSE = {"node": "member", "feature": "text", "fan_out": [2, 1]}
RANK = {"source": "member", "target": "author"}


def derived(path: str, value: object) -> Callable[[dict], object]:
    """A change that sets one key of a spec with every derived part."""

    def change(document: dict) -> None:
        document["nodes"]["author"] = {"key": "author_id"}
        document["edges"] |= {"made_by": copy.deepcopy(MADE_BY)}
        document |= copy.deepcopy({"affinities": {"fan": FAN}, "densification": {"alike": DENSE}})
        document["pageranks"] = {"near": dict(RANK)}
        put(path, value)(document)

    return change


KNOWS = {**MADE_BY, "source": {"node": "post", "column": "a"}, "target": {"node": "post", "column": "b"}}
NO_PERCENTILE = {**DENSE, "low_percentile": 90}

DERIVED_MISTAKES = [
    (derived("edges.made_by.strategy", "newest"), "edges.made_by.strategy", "'most_recent'", "'newest'"),
    (derived("edges.made_by.weigh_by", "degree"), "edges.made_by.weigh_by", "'common_neighbours'", "'degree'"),
    (
        derived("edges.made_by.weigh_by", "common_neighbours"),
        *("edges.made_by.weigh_by", "within one node type", "'post' and 'author'"),
    ),
    (
        derived("edges.knows", {**KNOWS, "weight": "w", "weigh_by": "common_neighbours"}),
        *("edges.knows.weigh_by", "no other weight", "'w'"),
    ),
    (derived("affinities.fan.engagement", "liked"), "affinities.fan.engagement", "(clicked, made_by)", "'liked'"),
    (derived("affinities.fan.creation", "liked"), "affinities.fan.creation", "(clicked, made_by)", "'liked'"),
    (derived("affinities.fan.engagement", "made_by"), "fan.engagement", "of kind engagement", "kind intrinsic"),
    (derived("affinities.fan.creation", "knows"), "affinities.fan.creation", "the name of an edge", "'knows'"),
    (derived("edges.made_by.source.node", "member"), "affinities.fan.creation", "'post'", "'member' and 'author'"),
    (derived("edges.made_by.target.node", "post"), "affinities.fan.creation", "'post'", "'post' and 'post'"),
    (derived("affinities.fan.at_least", 0), "affinities.fan.at_least", "greater than or equal to 1", "0"),
    (derived("affinities.fan.within_days", 0), "affinities.fan.within_days", "greater than 0", "0"),
    (derived("affinities.fan.domain", "fed"), "affinities.fan.domain", "a domain of an edge (feed)", "'fed'"),
    (derived("affinities.fan.fan_out", [1]), "affinities.fan.fan_out", "2 hops", "[1]"),
    (derived("affinities.fan.reverse_fan_out", [1] * 3), "fan.reverse_fan_out", "2 hops", "[1, 1, 1]"),
    (derived("affinities.fan.fan_out", [201, 1]), "fan.fan_out", "from 0 to 200 per hop", "[201, 1]"),
    (derived("affinities.clicked", FAN), "affinities.clicked", "a name that nothing else", "edges.clicked"),
    (derived("densification.fan", DENSE), "densification.fan", "a name that nothing else", "affinities.fan"),
    (derived("pageranks.alike", RANK), "pageranks.alike", "a name that nothing else", "densification.alike"),
    (derived("pageranks.Alike", RANK), "pageranks.Alike", "a name that nothing else", "densification.alike"),
    (derived("pageranks.rev_near", RANK), "pageranks.rev_near", "without 'rev_'", "'rev_near'"),
    (derived("densification.alike.node", "mamber"), "alike.node", "(author, member, post)", "'mamber'"),
    (derived("densification.alike.feature", "age"), "alike.feature", "a vector feature of 'member' (text)", "'age'"),
    (derived("densification.alike.node", "post"), "alike.feature", "it has none", "'text'"),
    (derived("densification.alike.degree_of", "liked"), "alike.degree_of", "the name of an edge", "'liked'"),
    (derived("densification.alike.degree_of", "made_by"), "alike.degree_of", "ends at 'member'", "'post' and 'author'"),
    (derived("edges.clicked.kind", "affinity"), "affinities.fan.engagement", "engagement", "affinity"),
    (derived("densification.alike", NO_PERCENTILE), "alike.low_percentile", "less than high_percentile (90)", "90"),
    (derived("densification.alike.high_percentile", 101), "high_percentile", "less than or equal to 100", "101"),
    (derived("densification.alike.neighbours", 0), "alike.neighbours", "greater than or equal to 1", "0"),
    (derived("pageranks.near.source", "creator"), "pageranks.near.source", "declared node type", "'creator'"),
    (derived("pageranks.near.edges", ["fan", "liked"]), "near.edges.1", "(alike, clicked, fan, made_by)", "'liked'"),
    (derived("pageranks.near.edges", ["fan", "fan"]), "near.edges", "every value once", "'fan' twice"),
    (derived("pageranks.near.edges", []), "near.edges", "at least 1", "[]"),
    (derived("pageranks.near.edges", ["clicked"]), "near.target", "reach from 'member'", "'author'"),
    (derived("pageranks.near.restart", 1.0), "near.restart", "less than 1", "1.0"),
    (derived("pageranks.near.method", "jump"), "near.method", "'walk' or 'push'", "'jump'"),
]

MISTAKES = [
    *DERIVED_MISTAKES,
    # change, key, expected, found
    (put("impresions", {}), "impresions", "a key that the schema knows", "unknown key 'impresions'"),
    (put("model", {"widht": 8}), "model.widht", "a key that the schema knows", "unknown key 'widht'"),
    (put("edges.clicked.fanout", [1]), "edges.clicked.fanout", "a key that the schema knows", "unknown key 'fanout'"),
    (lambda d: d.pop("windows"), "windows", "this key", "nothing"),
    (lambda d: d["edges"]["clicked"].pop("time"), "edges.clicked.time", "this key", "nothing"),
    (
        put("edges.clicked.target.node", "pots"),
        "edges.clicked.target.node",
        "declared node type (member, post)",
        "'pots'",
    ),
    (put("impressions.item.node", "job"), "impressions.item.node", "declared node type", "'job'"),
    (put("windows.train", {"days": 2, "after": "test"}), "windows.train.after", "in a row", "a cycle through"),
    (put("windows.gate", {"days": 2, "after": "gate"}), "windows.gate.after", "in a row", "a cycle through 'gate'"),
    (put("windows.gate", {"days": 2, "after": "trian"}), "windows.gate.after", "one of graph", "'trian'"),
    (put("windows.gate", {"days": 2, "after": "train"}), "windows.gate.after", "'validate'", "'train'"),
    (put("windows.validate", {"days": -3}), "windows.validate.days", "greater than 0", "-3"),
    (put("windows.start", "soon"), "windows.start", "date", "'soon'"),
    (put("nodes.member.views.profile.features.age", "numbr"), "profile.features", "number, category", "'numbr'"),
    (put("nodes.member.views.profile.features.age", "vector[0]"), "profile.features", "n of 1 or more", "'vector[0]'"),
    (put("edges.clicked.time", "time"), "edges.clicked.time", "'settled_time', since", "'time'"),
    (
        lambda d: d["edges"]["clicked"].update(filter={}, time="time", attributes={"seconds": "number"}),
        *("edges.clicked.time", "'settled_time', since the edge depends on the outcome 'seconds'", "'time'"),
    ),
    (put("edges.clicked.attributes", {"how": "text"}), "edges.clicked.attributes.how", "'number' or", "'text'"),
    (
        put("edges.clicked.attributes", {"hour": "number", "Hour": "category"}),
        *("edges.clicked.attributes.hour", "a name of its own", "edges.clicked.attributes.Hour"),
    ),
    (put("tasks.read", {"label": "clicked", "primary": True}), "tasks", "exactly one task with", "['click', 'read']"),
    (put("tasks.click.primary", False), "tasks", "exactly one task with", "[]"),
    (
        put("tasks.click.label", "liked"),
        "tasks.click.label",
        "one of impressions.outcomes (clicked, seconds)",
        "'liked'",
    ),
    (
        put("impressions.context.seconds", "number"),
        "impressions.context.seconds",
        "request time",
        "the outcome 'seconds'",
    ),
    (
        put("impressions.context.settled_time", "number"),
        "impressions.context.settled_time",
        "no other part",
        "settled_time",
    ),
    (put("impressions.context.hour", "vector[2]"), "impressions.context.hour", "number or category", "'vector[2]'"),
    (put("impressions.surfaces", ["feed", "feed"]), "impressions.surfaces", "every value once", "'feed' twice"),
    (
        put("nodes.member.views.profile.features.clicked", "number"),
        "features.clicked",
        "before the outcome",
        "'clicked'",
    ),
    (
        put("nodes.member.views.profile.features.member_id", "number"),
        "features.member_id",
        "not the key",
        "'member_id'",
    ),
    (
        put("nodes.post.views", {"profile": {"table": "posts", "features": {"length": "number"}}}),
        *("nodes.post.views.profile", "a view name of its own", "nodes.member.views.profile"),
    ),
    (
        put("nodes.post.views", {"content": {"table": "posts", "features": {"age": "number"}}}),
        *("nodes.post.views.content.features.age", "a feature name of its own", "profile.features.age"),
    ),
    (put("counters.profile", {"keys": ["item"]}), "counters.profile", "a name that no view has", "views.profile"),
    (put("counters.by_post.keys", ["post"]), "counters.by_post.keys.0", "a category feature of the item", "'post'"),
    (put("counters.by_post.keys", ["job"]), "counters.by_post.keys.0", "of the item (none)", "'job'"),
    (put("counters.by_post.keys", ["item", "item"]), "counters.by_post.keys", "every value once", "'item' twice"),
    (put("counters.by_post.filter", {"clicked": [1]}), "counters.by_post.filter", "request time", "outcome 'clicked'"),
    (put("counters.by_post.window", "0s"), "counters.by_post.window", "such as 60s, 10m, 6h or 3d", "'0s'"),
    (put("counters.by_post.window", "3 days"), "counters.by_post.window", "such as 60s, 10m, 6h or 3d", "'3 days'"),
    (put("counters.by_post.window", "3661d"), "counters.by_post.window", "at most 3660d", "'3661d'"),
    (put("counters.by_post.rates", ["like"]), "counters.by_post.rates.0", "a task or measure (click)", "'like'"),
    (put("counters.by_post.rates", ["click"] * 2), "counters.by_post.rates", "every value once", "'click' twice"),
    (put("counters.by_post", {"keys": ["item"], "rates": [], "last": 1}), "counters.by_post.last", "0, since", "1"),
    (put("counters.by_post.last", 21), "counters.by_post.last", "20", "21"),
    (put("counters.overall", {"keys": ["item"]}), "counters.overall", "other than 'overall'", "'overall'"),
    (put("measures", {"click": {"column": "seconds"}}), "measures.click", "no task has", "tasks.click"),
    (put("measures", {"play": {"column": "hour"}}), "measures.play.column", "impressions.outcomes", "'hour'"),
    (put("measures", {"play": {"column": "seconds", "scale": 0}}), "measures.play.scale", "greater than 0", "0"),
    (put("edges.clicked.fan_out", []), "edges.clicked.fan_out", "one number from 0 to 200 per hop", "[]"),
    (put("edges.clicked.reverse_fan_out", [1]), "edges.clicked.reverse_fan_out", "2 hops", "[1]"),
    (
        put("edges.seen", {**GOOD["edges"]["clicked"], "fan_out": [2]}),
        "edges.*.fan_out",
        "same number of hops",
        "[1, 2]",
    ),
    (put("domains", ["fed"]), "domains.0", "a domain of an edge (feed)", "'fed'"),
    (put("home_domain", "mail"), "home_domain", "a domain of an edge (feed)", "'mail'"),
    (put("timezone", "Asia/Peking"), "timezone", "an IANA time zone", "'Asia/Peking'"),
    (put("name", "Two words"), "name", "pattern", "'Two words'"),
    (put("gate", {"margin": -0.1}), "gate.margin", "greater than or equal to 0", "-0.1"),
    (put("model", {"width": "wide"}), "model.width", "integer", "'wide'"),
    (put("model", {"width": 0}), "model.width", "1 to", "0"),
    (put("model", {"width": 30, "heads": 4}), "model.width", "a multiple of model.heads (4)", "30"),
    (put("model", {"dropout": 1.0}), "model.dropout", "below 1", "1.0"),
    (put("model", {"id_dropout": float("nan")}), "model.id_dropout", "below 1", "nan"),
    (put("training", {"epochs": 0}), "training.epochs", "1 to", "0"),
    (put("training", {"batch_size": 0}), "training.batch_size", "1 to", "0"),
    (put("training", {"learning_rate": 0.0}), "training.learning_rate", "above 0", "0.0"),
    (put("tasks.click.weight", float("inf")), "tasks.click.weight", "finite", "inf"),
    (put("edges.a/b", GOOD["edges"]["clicked"]), "edges.a/b", "a name of at most 61 letters", "'a/b'"),
    (put("nodes.1st", {"key": "first"}), "nodes.1st", "a letter first", "'1st'"),
    (put("nodes.member.views.a b", {"table": "t", "features": {}}), "views.a b", "a name of", "'a b'"),
    (put("nodes.member.views.profile.features.a-b", "number"), "features.a-b", "a name of", "'a-b'"),
    (put("counters.x\n", {"keys": ["item"]}), "counters.x", "a name of", r"'x\n'"),
    (put("tasks.x" + 60 * "y" + "z", {"label": "clicked"}), "tasks.xy", "at most 61", "yz'"),
    (
        put("edges.Clicked", GOOD["edges"]["clicked"]),
        *("edges.clicked", "a name that nothing else that joins nodes has, upper or lower case alike"),
        "also at edges.Clicked",
    ),
    (put("nodes.Member", {"key": "other"}), "nodes.member", "no other node type has", "also at nodes.Member"),
    (
        put("nodes.post.views", {"content": {"table": "posts", "features": {"Age": "number"}}}),
        *("nodes.post.views.content.features.Age", "a feature name of its own", "profile.features.age"),
    ),
    (put("counters.Profile", {"keys": ["item"]}), "counters.Profile", "a name that no view has", "views.profile"),
    (put("edges.rev_clicked", GOOD["edges"]["clicked"]), "edges.rev_clicked", "without 'rev_'", "'rev_clicked'"),
    (put("nodes.author", {"key": "post_id"}), "nodes.post.key", "a key column of its own", "nodes.author.key"),
    (put("nodes.place", {"key": "surface"}), "nodes.place.key", "of its own", "impressions.surface"),
    (put("nodes.surface", {"key": "place"}), "nodes.surface", "other than the surface's", "'surface'"),
    (put("impressions.item.node", "member"), "impressions.item.node", "another node type", "'member'"),
    (put("edges.clicked.filter", {"surface": ["fax"]}), "edges.clicked.filter.surface", "(feed, mail)", "'fax'"),
    (put("tasks.click.filter", {"surface": [1]}), "tasks.click.filter.surface", "(feed, mail)", "1"),
    (put("counters.by_post.filter", {"surface": ["fax"]}), "counters.by_post.filter.surface", "feed", "'fax'"),
    (put("domains", []), "domains", "at least 1", "[]"),
    (put("windows.train", {"days": 10**9}), "windows.train.days", "3660", "1000000000"),
    (put("edges.clicked.window_days", 10**12), "edges.clicked.window_days", "3660", "1000000000000"),
    (put("windows.start", "9999-12-31"), "windows.start", "2200-01-01", "'9999-12-31'"),
]


@pytest.mark.parametrize(("change", "key", "expected", "found"), MISTAKES, ids=[mistake[1] for mistake in MISTAKES])
def test_a_mistake_is_named(change: Callable[[dict], object], key: str, expected: str, found: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_spec(changed(change), "configs/small.yaml")
    error = caught.value
    assert error.file == "configs/small.yaml"
    assert key in error.key
    assert expected in error.expected
    assert found in error.found
    assert str(error) == f"configs/small.yaml: {error.key}: expected {error.expected}; found {error.found}"


@pytest.mark.parametrize(
    ("text", "key", "found"),
    [
        ("name: a\nname: b\n", "(document)", "'name' stands twice"),
        ('{"name": "a", "name": "b"}', "(document)", "'name' stands twice"),
        ("nodes:\n  member: {key: a}\n  member: {key: b}\n", "(document)", "'member' stands twice"),
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
    """Also where the merged mapping merges and replaces itself, and stands deeper in the document."""
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
    with pytest.raises(SpecError, match=r"'domain' stands twice"):
        parse_spec(edges.replace("domain: mail", "domain: mail, domain: feed") + rest)


@pytest.mark.parametrize(("config", "bounds"), [(ModelConfig, MODEL), (TrainingConfig, TRAINING)])
def test_every_number_of_model_and_training_has_bounds(config: type, bounds: dict[str, Bound]) -> None:
    assert {field.name for field in dataclasses.fields(config)} == set(bounds)


UNKNOWN_COLUMNS = [
    (put("edges.clicked.table", "events"), "edges.clicked.table", "members", "'events'"),
    (put("edges.clicked.source.column", "user"), "edges.clicked.source.column", "member_id", "'user'"),
    (put("edges.clicked.filter", {"cliked": [1]}), "edges.clicked.filter.cliked", "clicked", "'cliked'"),
    (put("edges.clicked.weight", "dwell"), "edges.clicked.weight", "seconds", "'dwell'"),
    (put("edges.clicked.attributes", {"how": "number"}), "edges.clicked.attributes.how", "seconds", "'how'"),
    (put("nodes.member.views.profile.features.height", "number"), "features.height", "age", "'height'"),
    (put("nodes.member.views.profile.time", "since"), "views.profile.time", "valid_from", "'since'"),
    (put("nodes.member.key", "id"), "nodes.member.key", "member_id", "'id'"),
    (put("impressions.settled", "known_time"), "edges.clicked.time", "known_time", "settled_time"),
    (put("impressions.context.device", "category"), "impressions.context.device", "hour", "'device'"),
    (put("impressions.outcomes", ["clicked", "liked"]), "impressions.outcomes.liked", "clicked", "'liked'"),
    (put("tasks.click.filter", {"place": [1]}), "tasks.click.filter.place", "surface", "'place'"),
    (put("counters.by_post.filter", {"place": [1]}), "counters.by_post.filter.place", "surface", "'place'"),
    (put("oracle", {"table": "truth", "probability": "p"}), "oracle.table", "impressions", "'truth'"),
]


@pytest.mark.parametrize(("change", "key", "expected", "found"), UNKNOWN_COLUMNS, ids=[c[1] for c in UNKNOWN_COLUMNS])
def test_an_unknown_table_or_column(change: Callable[[dict], object], key: str, expected: str, found: str) -> None:
    with pytest.raises(SpecError) as caught:
        check_columns(parse_spec(changed(change), "small.yaml"), COLUMNS, "small.yaml")
    assert caught.value.file == "small.yaml"
    assert key in caught.value.key
    assert expected in caught.value.expected
    assert found in caught.value.found


def test_a_good_spec_and_its_way_through_json() -> None:
    spec = parse_spec(yaml.safe_dump(GOOD))
    check_columns(spec, COLUMNS)
    assert spec.primary_task == "click"
    assert [feature.size for feature in spec.nodes["member"].views["profile"].typed] == [1, 1, 4]
    again = parse_spec(spec.model_dump_json(by_alias=True))
    assert again == spec
    assert again.source.options == {"rate": 0.00001, "size": 3}


def test_derived_parts_and_their_way_through_json() -> None:
    spec = parse_spec(changed(derived("pageranks.near.edges", ["fan", "made_by"])))
    assert (spec.affinities["fan"].at_least, spec.affinities["fan"].strategy) == (3, "most_recent")
    dense = spec.densification["alike"]
    assert (dense.neighbours, dense.low_percentile, dense.high_percentile) == (50, 30, 90)
    assert spec.pageranks["near"].edges == ["fan", "made_by"]
    assert parse_spec(spec.model_dump_json(by_alias=True)) == spec


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
