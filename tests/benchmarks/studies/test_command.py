import json
import subprocess
import sys
from argparse import Namespace
from dataclasses import fields, replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.studies import ablation, baselines, cold_start, cross_domain, tasks
from benchmarks.studies.changes import WithoutTwins
from benchmarks.studies.cold_members import ColdMembers
from benchmarks.studies.definition import Study
from benchmarks.studies.errors import StudyError
from benchmarks.studies.plain_trees import PLAIN
from benchmarks.studies.study import command, evaluate
from models.baselines.fit import BASELINES
from models.configs.model import ModelConfig
from models.graph.store import TemporalGraph
from tests.benchmarks.studies.small import pretend, setting, stored_graph
from tests.models.training.small import MODEL, TRAINING

NAMES = ("baselines", "ablation", "cross_domain", "cold_start", "freshness", "tasks", "sequence")
ASKED = {
    "window": "test",
    "networks": "{}",
    "ages": [0, 3600],
    "owner": "creator",
    "share": 0.2,
    "counters": "[]",
    "context": None,
    "history": "length",
    **{"members": 0.3, "member_history": "seniority", "unknown": False},
    "without": ["rates=rate$"],
    "alone": "{}",
    "spec": None,
}
OPTIONS = {
    "ablation": ["--without", "rates=rate$"],
    "cold_start": [
        *("--owner", "creator", "--share", "0.2", "--history", "length", "--counters", "[]"),
        *("--members", "0.3", "--member-history", "seniority"),
    ],
    "freshness": ["--ages", "0", "3600"],
}


def study(name: str) -> Study:
    return import_module(f"benchmarks.studies.{name}").STUDY


def json_of(config: object) -> str:
    return json.dumps(vars(config))


@pytest.mark.parametrize("name", NAMES)
def test_every_study_writes_its_table_out_of_predictions(name: str, tmp_path: Path) -> None:
    graph, where = stored_graph(tmp_path), setting(tmp_path)
    alone = _alone(tmp_path, graph)
    rows = study(name).rows(graph, Namespace(**ASKED, alone_graphs=alone), where)
    assert len({row.name for row in rows}) == len(rows)
    digests = [where.digest(row, 1, graph) for row in rows]
    assert len(set(digests)) == len(rows)  # no row is another one by a second name
    for row in rows:
        for seed in (1, 2):
            pretend(where, graph, row, seed)
    folders = ["--graph", str(tmp_path / "graph"), "--predictions", str(where.predictions), "--out", str(tmp_path)]
    configs = ["--model", json_of(MODEL), "--training", json_of(TRAINING)]
    folders += ["--alone-graphs", str(alone)] if name == "cross_domain" else []
    options = [*folders, *configs, *OPTIONS.get(name, []), "--only", "table", "--seeds", "1", "2", "--draws", "20"]
    assert command(study(name), options) == 0
    page = (tmp_path / f"{name}.md").read_text()
    for text in (graph.manifest["digest"][:16], "abc123", "Seeds 1, 2", f"benchmarks.studies.{name}", f"{name}.svg"):
        assert text in page
    assert str(tmp_path) not in page
    assert "Not fitted" not in page
    assert "nan" not in page
    lines = [line for row in rows for line in study(name).lines(row)]
    assert list(json.loads((tmp_path / f"{name}.json").read_text())) == sorted(set(lines))
    picture = (tmp_path / f"{name}.svg").read_bytes()
    assert command(study(name), options) == 0
    assert (tmp_path / f"{name}.svg").read_bytes() == picture
    assert (tmp_path / f"{name}.md").read_text() == page


def test_a_table_is_made_of_what_there_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    graph, where = stored_graph(tmp_path), setting(tmp_path)
    rows = tasks.rows(graph, Namespace(), where)
    pretend(where, graph, rows[0], 1)
    evaluation, absent = evaluate(tasks.STUDY, where, graph, rows, [1, 2], draws=5)
    assert list(evaluation.lines) == [rows[0].name]
    assert f"{rows[0].name} (seed 2)" in absent
    nothing = ["--graph", str(tmp_path / "graph"), "--predictions", str(tmp_path), "--only", "table"]
    assert command(tasks.STUDY, nothing) == 1
    assert command(tasks.STUDY, [*nothing, "--rows", "some row"]) == 1
    printed = capsys.readouterr().err
    assert "found none: fit first" in printed
    assert "expected some of all tasks" in printed


def test_the_fits_of_one_state_make_one_line(tmp_path: Path) -> None:
    graph, where = stored_graph(tmp_path), setting(tmp_path)
    rows = [row for row in baselines.rows(graph, Namespace(networks="{}"), where) if not row.baseline]
    labels = np.nan_to_num(graph.seeds.labels[graph.seeds.rows("test")].double().numpy())
    for row in rows:
        pretend(where, graph, row, 1, labels if row.state == "as_of" else 1 - labels)
    evaluation, _ = evaluate(baselines.STUDY, where, graph, rows, [1], draws=5)
    assert list(evaluation.lines) == [
        f"{part}, {fit}" for fit in ("one fit", "a fit per state") for part in ("Heliograph", "network", "tuned trees")
    ]
    assert evaluation.metric("Heliograph, a fit per state", "auc", "click").value == 1
    assert evaluation.metric("Heliograph, a fit per state", "gauc", "click").value == 0


def test_the_baselines_are_those_there_are(tmp_path: Path) -> None:
    found = baselines.rows(stored_graph(tmp_path), Namespace(networks='{"epochs": 3}'), setting(tmp_path))
    # The tuned trees are a part of the ranker's own rows.
    assert {row.baseline for row in found} - {None} == set(BASELINES) - {"trees"} | {PLAIN}
    assert [row.training["epochs"] for row in found if row.training] == [3] * len(baselines.NETWORKS)


def test_the_ablation_ends_with_the_full_model_and_never_repeats_it(tmp_path: Path) -> None:
    graph = stored_graph(tmp_path)
    for config in (ModelConfig(), ModelConfig(long_term=5, positions=False), ModelConfig(**ablation.WITHOUT_GRAPH)):
        rows = ablation.rows(graph, Namespace(without=[]), replace(setting(tmp_path), model=config))
        names = [row.name for row in rows]
        steps = names[: names.index(ablation.FULL)]
        assert ("+ positions" in steps) == config.positions
        assert ("without graph" in names) == config.graph
        full = rows[names.index(ablation.FULL)]
        assert full.model == {"trees": True}
        assert not full.training


def test_the_ablation_leaves_no_switch_out(tmp_path: Path) -> None:
    named = {key for _, keys in ablation.STEPS for key in keys}
    switches = {field.name for field in fields(ModelConfig) if isinstance(field.default, bool)}
    assert named == (switches - {"counters", "trees", "linear_head"}) | {
        "long_term",
        "cross_layers",
        "pieces",
        "experts",
        "task_weighting",
    }
    assert all(len(keys) == 1 for _, keys in ablation.STEPS)
    everything = ModelConfig(pagerank_attention=True, long_term=5, pieces=4, experts=2, task_weighting="uncertainty")
    rows = ablation.rows(stored_graph(tmp_path), Namespace(without=[]), replace(setting(tmp_path), model=everything))
    names = [row.name for row in rows]
    assert names[1 : len(ablation.STEPS)] == [name for name, _ in ablation.STEPS[:-1]]
    assert [len(row.model) - 1 for row in rows[: len(ablation.STEPS)]] == list(range(len(ablation.STEPS), 0, -1))
    assert not any(row.model["trees"] for row in rows[: len(ablation.STEPS)])


def test_the_loss_is_reported_by_part(tmp_path: Path) -> None:
    """A ranker that knows which members click, against trees that know which impression of a member is the click."""
    graph, where = stored_graph(tmp_path), setting(tmp_path)
    rows = baselines.rows(graph, Namespace(networks="{}"), where)
    scored = graph.seeds.rows("test")
    labels, member = np.nan_to_num(graph.seeds.labels[scored].double().numpy()), graph.seeds.member[scored].numpy()
    rate = {one: labels[member == one].mean(axis=0) for one in set(member.tolist())}
    mine = np.stack([rate[one] for one in member.tolist()])
    for row in rows:
        if row.name == "Heliograph, one fit":
            pretend(where, graph, row, 1, {"product": mine, "trees": labels - mine})
    evaluation, _ = evaluate(baselines.STUDY, where, graph, rows, [1], draws=20)
    parts = baselines.sections(evaluation, graph, Namespace())
    where_it_gains = parts.index("## Where it gains and loses")
    rows = {line.split(" | ")[0].strip("| "): line for line in parts[where_it_gains + 3].splitlines()}
    assert "+0." in rows["between members: AUC of members' mean scores"]
    assert "-0.5" in rows["within members: GAUC"]
    assert {"all: AUC", "surface push: AUC", "earlier events of the member 0-29: AUC"} <= set(rows)
    assert len([part for part in parts if part.startswith("### ")]) == 4
    worth = parts[parts.index("## What each part is worth") + 3].splitlines()
    assert [line.split(" | ")[0].strip("| ") for line in worth[2:]] == [
        *("Heliograph, one fit, minus tuned trees", "Heliograph, one fit, minus network")
    ]
    del evaluation.lines["tuned trees, one fit"]
    assert baselines.sections(evaluation, graph, Namespace()) == []


def test_a_surface_alone_has_a_graph_of_its_own(tmp_path: Path) -> None:
    graph, where = stored_graph(tmp_path), setting(tmp_path)
    rows = cross_domain.rows(graph, Namespace(**ASKED, alone_graphs=_alone(tmp_path, graph)), where)
    assert [row.name for row in rows] == [cross_domain.EVERYTHING, "surface push alone"]
    for row in rows:
        pretend(where, graph, row, 1)
    evaluation, _ = evaluate(cross_domain.STUDY, where, graph, rows, [1], draws=5)
    assert "| push |" in cross_domain.sections(evaluation, graph, Namespace())[1]
    (tmp_path / "alone" / "tv").mkdir()
    with pytest.raises(StudyError, match=r"expected the name of a surface \(email, push\)"):
        cross_domain.rows(graph, Namespace(**ASKED, alone_graphs=tmp_path / "alone"), where)


def _alone(folder: Path, graph: TemporalGraph) -> Path:
    """The graph of one surface, here that of all, where the study looks for it."""
    WithoutTwins()(graph).save(folder / "alone" / "push")
    return folder / "alone"


def test_a_gpu_image_needs_no_more_than_training_does() -> None:
    names = ", ".join(f"benchmarks.studies.{name}" for name in NAMES)
    code = f"import {names}, models.baselines.fit, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pydantic", "duckdb", "lightgbm", "matplotlib", "scipy", "pandas"} & set(loaded)


def test_cold_twins_have_a_row_where_the_graph_has_them(tmp_path: Path) -> None:
    graph, where = stored_graph(tmp_path), setting(tmp_path)
    without = cold_start.rows(graph, Namespace(**ASKED), where)
    twins = replace(graph, seeds=replace(graph.seeds, cold=torch.arange(len(graph.seeds)) % 3 == 1))
    names = {row.name for row in cold_start.rows(twins, Namespace(**ASKED), where)} - {row.name for row in without}
    held = ("", cold_start.HELD_OUT, cold_start.MEMBERS)
    assert names == {f"without cold twins{of}" for of in held}
    twins = replace(twins, seeds=replace(twins.seeds, cold_member=twins.seeds.cold & (twins.seeds.window > 1)))
    of_members = {row.name for row in cold_start.rows(twins, Namespace(**ASKED), where)} - {row.name for row in without}
    assert of_members - names == {f"without cold twins of members{of}" for of in ("", cold_start.MEMBERS)}
    unknown = Namespace(**{**ASKED, "owner": None, "unknown": True})
    changes = {row.name: row.change for row in cold_start.rows(twins, unknown, where)}
    kept = {name: change.twins for name, change in changes.items() if isinstance(change, ColdMembers)}
    assert kept[f"full model{cold_start.MEMBERS}"] == "all"
    assert kept[f"without cold twins{cold_start.MEMBERS}"] == "none"
    assert kept[f"without cold twins of members{cold_start.MEMBERS}"] == "items"
    assert not any(change.known for change in changes.values() if isinstance(change, ColdMembers))
