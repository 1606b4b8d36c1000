import re
from dataclasses import replace
from pathlib import Path

import pytest

from monitoring.documents import read_json, write_frame, write_json
from monitoring.gate import judge
from monitoring.measure import measure
from monitoring.record import LedgerRecord, Step
from monitoring.report import summary_lines, write_report
from monitoring.traffic import from_predictions, summarise
from monitoring.verdict import Alarm, State
from tests.monitoring.fakes import fake_predictions, small_spec
from tests.monitoring.pages import Page
from tests.monitoring.verdicts import verdict

SPEC = small_spec()
START = 1_767_225_600_000_000
ADDRESS = "sqlite:////srv/state/mlflow/mlflow.db"
EMPTY = LedgerRecord("run-1", "small", ADDRESS, "abc", START)
CURL = "curl -s http://127.0.0.1:8080/v1/models/small:predict -d '{\"instances\": []}'"


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> LedgerRecord:
    """The record of a run in which everything went well."""
    folder = tmp_path_factory.mktemp("whole")
    predictions = fake_predictions(SPEC, rows=1000, noise={"candidate": 0.3, "champion": 0.6, "trees": 1.5})
    drift = {
        "status": "stable",
        "share": 0.5,
        "drifted": ["hour"],
        "rows": {"reference": 900, "current": 100},
        "current": "endpoint",
        "columns": {
            "hour": {
                "kind": "number",
                "missing": {"reference": 0.0, "current": 0.1},
                "drifted": True,
                "method": "K-S p_value",
                "score": 0.01,
                "threshold": 0.05,
            },
            "kind": {
                "kind": "category",
                "missing": {"reference": 1.0, "current": 1.0},
                "drifted": None,
                "note": "no values on either side",
            },
        },
    }
    served = {"rows": 30, "slates": 3, "first": None, "last": None, "predicted": 0.2, "cold": 0.1}
    (folder / "drift.html").write_text("<p>Evidently</p>", encoding="utf-8")
    names = ("ingest", "build graph", "train", "evaluate")
    return replace(
        EMPTY,
        steps=[Step(name, "ok", START + n * 10_000_000, 9.5, attempts=1 + n // 3) for n, name in enumerate(names)],
        curves={"validate_auc": [(0, 0.6), (1, 0.65)], "loss": [(0, 0.7), (1, float("nan"))]},
        notes={
            "verdict": {**judge(SPEC, predictions, {"champion": "2"}).to_json(), "version": "3"},
            "endpoint": {"url": "http://127.0.0.1:8080", "grpc": "127.0.0.1:8081", "version": "3", "curl": CURL},
            "monitoring": {
                "drift": drift,
                "traffic": summarise(from_predictions(SPEC, predictions, "test")),
                "served": served,
            },
            "data": {"impressions": "ab" * 32},
            "graph": {"member": 300},
        },
        artifacts={
            "metrics.json": write_json(
                folder / "metrics.json", {**measure(SPEC, predictions), "champion_unusable": None}
            ),
            "predictions.parquet": write_frame(folder / "predictions.parquet", predictions),
            "drift.html": folder / "drift.html",
        },
    )


def written(record: LedgerRecord, folder: Path) -> Page:
    page = Page(write_report(SPEC, record, folder).read_text(encoding="utf-8"))
    assert page.unbalanced == []
    assert page.external == []
    assert "script" not in page.tags
    assert len(page.ids) == len(set(page.ids))
    return page


def test_a_whole_run_shows_everything_and_loads_nothing(whole: LedgerRecord, tmp_path: Path) -> None:
    page = written(whole, tmp_path)
    assert "Promoted: version 3 passed the gate and serves at http://127.0.0.1:8080" in page.text
    assert CURL in page.text
    assert f"--backend-store-uri {ADDRESS}" in page.text
    assert "Nothing yet" not in page.text
    assert page.references.count("drift.html") == 2
    assert (tmp_path / "drift.html").read_text(encoding="utf-8") == "<p>Evidently</p>"
    assert page.tags.count("svg") == 6  # ROC, calibration, surfaces, two curves, days
    for words in ("Test window", "Gate window", "oracle", "champion", "trees", "hour", "attempt 2", "ab" * 32):
        assert words in page.text


def test_a_canary_is_no_champion_yet(whole: LedgerRecord, tmp_path: Path) -> None:
    endpoint = {**whole.notes["endpoint"], "percent": 10}
    page = written(replace(whole, notes={**whole.notes, "endpoint": endpoint}), tmp_path)
    assert "Canary: version 3 passed the gate and has 10 % of the traffic at http://127.0.0.1:8080" in page.text
    assert "python -m serving promote, or rollback" in page.text
    assert "Promoted" not in page.text


def test_the_candidate_stands_beside_the_floor_on_page_and_terminal(tmp_path: Path) -> None:
    noise = {"candidate": 0.3, "network": 0.6, "trees": 1.5, "popularity": 3.0}
    metrics = measure(SPEC, fake_predictions(SPEC, rows=1000, noise=noise)) | {"trees": {"click": 0.35, "like": 0.5}}
    metrics["standing"] = {"sentence": "Better than your trees.", "recommendation": "Serve on."}
    metrics["leaks"] = {"found": [{"sentence": "The column x leaks."}], "released": ["y"], "columns": 7, "notes": ["z"]}
    record = replace(EMPTY, artifacts={"metrics.json": write_json(tmp_path / "metrics.json", metrics)})
    text = written(record, tmp_path).text
    assert "click: the weight of the trees is 0.35." in text
    for words in (
        "Better than your trees.",
        "Serve on.",
        "popularity",
        "The column x leaks.",
        "7 columns",
        "spec: y",
        "z",
    ):
        assert words in text
    assert len(re.findall(r"[+-]0\.\d{4} \[[+-]0\.\d{4}, [+-]0\.\d{4}\]", text)) == 2 * 2 * 3 * 4
    lines = summary_lines(record, "here")
    assert lines[lines.index("Better than your trees.") + 1] == "Serve on."


def test_a_run_that_failed_at_its_first_step_says_so_in_every_section(tmp_path: Path) -> None:
    failed = replace(EMPTY, steps=[Step("ingest", "failed", START, 1.2, "SourceError: column <b>time</b> & more")])
    page = written(failed, tmp_path)
    assert "Stopped: the step “ingest” failed" in page.text
    assert page.text.count("SourceError: column <b>time</b> & more") == 2
    assert page.text.count("Nothing yet") == 8
    assert "No endpoint was started" in page.text


def test_an_interrupted_run_names_the_step(tmp_path: Path) -> None:
    page = written(replace(EMPTY, steps=[Step("train", "running", START).interrupted()]), tmp_path)
    assert "Stopped: the step “train” was interrupted" in page.text


def test_an_empty_record_has_a_report(tmp_path: Path) -> None:
    page = written(EMPTY, tmp_path)
    assert "No verdict in this run" in page.text
    assert "no step has started" in page.text


def test_a_held_candidate_is_held_in_the_headline_with_the_gate_s_reasons(whole: LedgerRecord, tmp_path: Path) -> None:
    verdict = {"decision": "hold", "reasons": ["AUC 0.7 <against> 0.8"], "version": "4"}
    page = written(replace(whole, notes={"verdict": verdict}), tmp_path)
    assert "Held: version 4 may not serve" in page.text
    assert "AUC 0.7 <against> 0.8" in page.text


ALARM = Alarm("ranking", "ranking.auc", "click", "small is frozen: a data fault.", State.RETRAIN)


@pytest.mark.parametrize(
    ("note", "title"),
    [
        ({"frozen": "small is frozen: a data fault."}, "Frozen: nothing was trained"),
        (
            {"monitoring": {"verdict": verdict(State.RETRAIN, evidence=(ALARM,)).to_json()}},
            "Retrain (ranking.auc, since 2026-01-07)",
        ),
        ({"act": {"kind": "nothing", "reason": "small is frozen: a data fault."}}, "Action: nothing"),
    ],
)
def test_a_run_that_did_nothing_says_why(
    note: dict[str, object], title: str, whole: LedgerRecord, tmp_path: Path
) -> None:
    bare = replace(whole, notes=note, artifacts={})
    page = written(bare, tmp_path)
    assert title in page.text
    assert "small is frozen: a data fault." in page.text
    assert summary_lines(bare, "r")[:2] == [title, "  small is frozen: a data fault."]


def test_real_logs_without_an_oracle(whole: LedgerRecord, tmp_path: Path) -> None:
    predictions = fake_predictions(SPEC, rows=300).drop(columns="oracle")
    document = write_json(tmp_path / "metrics.json", measure(SPEC, predictions))
    page = written(replace(whole, artifacts={"metrics.json": document}), tmp_path / "report")
    assert "no ceiling is known" in page.text
    assert "no predictions of the test window" in page.text


def test_damaged_documents_do_not_keep_the_report_from_being_written(whole: LedgerRecord, tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text("{", encoding="utf-8")
    (tmp_path / "predictions.parquet").write_bytes(b"PAR1")
    damaged = replace(
        whole,
        artifacts={name: tmp_path / name for name in ("metrics.json", "predictions.parquet")},
        notes={**whole.notes, "monitoring": {"drift": {"unexpected": 1}}},
    )
    page = written(damaged, tmp_path / "report")
    assert "ingest" in page.text
    assert "could be shown" in page.text


def test_the_days_of_training_are_shown(whole: LedgerRecord, tmp_path: Path) -> None:
    assert "The weights were trained on the impressions of 2026-01-03 to 2026-01-05." in written(whole, tmp_path).text
    verdict = {**whole.notes["verdict"], "refit": {"serves": True}}
    page = written(replace(whole, notes={**whole.notes, "verdict": verdict}), tmp_path)
    assert "They are a refit" in page.text


def test_the_terminal_gets_metrics_verdict_curl_and_address(whole: LedgerRecord, tmp_path: Path) -> None:
    lines = summary_lines(whole, "/runs/index.html")
    assert any(line.startswith("click candidate") for line in lines)
    assert lines[-1] == "Report: /runs/index.html"
    assert any(CURL in line for line in lines)
    assert len({len(line) for line in lines[:3]}) == 1
    assert lines[0].endswith("to oracle")
    metrics = read_json(whole.artifacts["metrics.json"])
    for found in (found for scores in metrics["windows"]["test"]["scores"].values() for found in scores.values()):
        found["way"] = None
    plain = replace(whole, artifacts={"metrics.json": write_json(tmp_path / "metrics.json", metrics)})
    assert summary_lines(plain, "")[0].endswith("log loss")
    empty = summary_lines(EMPTY, "/runs/index.html")
    assert empty == ["No verdict in this run", "Report: /runs/index.html"]


def test_a_server_s_address_is_opened_not_read_as_a_file(tmp_path: Path) -> None:
    page = written(replace(EMPTY, tracking_uri="http://mlflow:5000"), tmp_path)
    assert "open http://mlflow:5000" in page.text


def test_a_step_from_the_cache_is_shown_where_it_belongs(tmp_path: Path) -> None:
    ran = replace(EMPTY, steps=[Step("ingest", "ok", START, 9.5), Step("evaluate", "ok", START + 10_000_000, 9.5)])
    cached = ran.with_cached(["ingest", "train", "evaluate"])
    page = write_report(SPEC, cached, tmp_path / "cached").read_text(encoding="utf-8")
    found = re.findall(r'bar-row (\w+)"><span>([^<]+)</span>.*?<b>([^<]+)</b>', page, re.DOTALL)
    assert found == [("ok", "ingest", "9.5 s"), ("cached", "train", "from cache"), ("ok", "evaluate", "9.5 s")]
    assert "from cache" not in write_report(SPEC, ran, tmp_path / "ran").read_text(encoding="utf-8")


def test_a_run_with_sampled_negatives_says_how_many_and_which_probabilities_are_relative(tmp_path: Path) -> None:
    window = {"positives": 90, "seeds": 80, "negatives": 320, "left_out": {"chosen before": 10}}
    rates = {"click": None, "buy": 0.03}
    note = {"by": "recent", "per_positive": 4, "rate": 0.2, "real_rate": rates, "windows": {"train": window}}
    page = write_report(SPEC, replace(EMPTY, notes={"sampled": note}), tmp_path).read_text(encoding="utf-8")
    text = " ".join(page.split())
    assert "Sampled negatives: 4 for each positive (recent)" in text
    assert "The probabilities of click are relative" in text
    assert "of buy are corrected to a real rate of 3" in text
    assert "10: chosen before" in text
    assert "Sampled negatives" not in write_report(SPEC, EMPTY, tmp_path).read_text(encoding="utf-8")
