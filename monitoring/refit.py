"""The check of a refit: its weights against the judged ones, on the gate window's last day, unseen by both.

The refit's weights serve only if they pass the gate's checks on that day, with the judged weights in the champion's
place (``monitoring.differences``, ``monitoring.bounds``). Otherwise, and where the day holds too few rows to tell, the
judged weights serve. Test days are not read.
"""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from models.spec import Spec
from models.time_units import iso, moment
from monitoring.bounds import calibration
from monitoring.differences import ENOUGH, Differences, Finding
from monitoring.documents import plain, read_json
from monitoring.errors import EvaluationError
from monitoring.evaluation import EMBEDDINGS, PREDICTIONS
from monitoring.gate import GateVerdict
from monitoring.obstacles import MINIMUM_MEMBERS, MINIMUM_ROWS, candidate_problems, obstacles
from monitoring.predictions import Scored, defined

JUDGED = "judged"
"""The scorer of the judged weights; the refit's are the candidate."""
_DAY = "gate window's last day"


@dataclass(frozen=True)
class RefitCheck:
    """Whether a refit's weights serve, and why."""

    serves: bool
    reasons: list[str]
    """Sentences with figures, blocking ones first; never empty."""
    day: dict[str, str]
    """start, end (ISO-8601) of the day that checked the weights."""
    until: str = ""
    """The end of the days that the refit was trained on, ISO-8601; "" where it could not be trained."""
    metrics: dict[str, Any] = field(default_factory=dict)
    """By task: calibration of the refit's weights and, where it was compared, difference {auc, low, high}."""
    embeddings: dict[str, Any] = field(default_factory=dict)
    """Norms of the refit's vectors (``models.training.norms``), by side."""

    def to_json(self) -> dict[str, Any]:
        """Convert to a JSON document without NaN."""
        return plain(asdict(self))


def with_check(verdict: GateVerdict, check: Path) -> tuple[GateVerdict, bool]:
    """Add the document of a check to the verdict of the judged model; return it, and whether the refit serves."""
    found = read_json(check)
    found.pop("embeddings", None)
    return replace(verdict, reasons=[*verdict.reasons, *found["reasons"]], refit=found), bool(found["serves"])


def embeddings_of(evaluation: Path, check: Path | None) -> dict[str, Any]:
    """Norms of the vectors of the weights that serve: of a refit its ``check`` has them, else the evaluation.

    Nothing for documents that an earlier release wrote.
    """
    path = evaluation / EMBEDDINGS
    if check is not None:
        return dict(read_json(check).get("embeddings", {}))
    return read_json(path) if path.is_file() else {}


def untrained(spec: Spec, reason: str) -> RefitCheck:
    """The check of a refit that could not be trained: the judged weights serve."""
    return RefitCheck(False, [f"The refit failed, so the judged weights serve: {reason}"], _day(spec))


def check_refit(spec: Spec, graph_folder: Path, evaluation: Path, refit: Path) -> RefitCheck:
    """Score the gate window's last day with the model artifact ``refit`` and ``compare`` it with the judged weights.

    ``evaluation``: the folder of ``monitoring.evaluation.evaluate``, whose candidate is the judged model. Raises
    EvaluationError if the graph lacks one of its impressions.
    """
    from models.graph.store import TemporalGraph
    from models.training.artifact import load_model
    from models.training.devices import best_device
    from models.training.norms import embedding_norms
    from models.training.predict import predict

    predictions = pd.read_parquet(evaluation / PREDICTIONS)
    start = pd.Timestamp(moment(spec.last_gate_day.start))
    here = (predictions["window"] == "gate") & (predictions["state"] == "as_of") & (predictions["time"] >= start)
    frame = predictions[here].reset_index(drop=True)
    graph, model = TemporalGraph.load(graph_folder), load_model(refit, best_device())
    rows = graph.seeds.rows("gate")
    rows = rows[graph.seeds.time[rows] >= spec.last_gate_day.start]
    scores = np.asarray(predict(model, graph, rows, state="as_of", calibrated=True), dtype=np.float64)
    found = pd.DataFrame(scores, columns=model.tasks, index=graph.seeds.keys.take(rows.cpu().numpy()).to_pandas())
    if missing := int((~frame["key"].isin(found.index)).sum()):
        raise EvaluationError(
            f"refit, last gate day: expected the evaluation's {len(frame)} impressions in the graph; {missing} are not "
            "in it. Evaluate on this graph"
        )
    for task in spec.tasks:
        frame[f"{JUDGED}_{task}"] = frame[f"candidate_{task}"]
        frame[f"candidate_{task}"] = found[task].reindex(frame["key"]).to_numpy()
    norms = embedding_norms(model, graph, spec.span("test").end)
    return replace(compare(spec, frame, until=iso(model.seen_until)), embeddings=norms)


def compare(spec: Spec, frame: pd.DataFrame, until: str = "") -> RefitCheck:
    """Compare the refit's weights with the judged ones. Deterministic.

    ``frame``: as-of rows of the gate window's last day with the columns of ``monitoring.predictions``; the candidate is
    the refit, the scorer ``judged`` the judged weights. Raises PredictionsError for a missing column.
    """
    findings: list[Finding] = []
    found: dict[str, Any] = {}
    for task in spec.tasks:
        rows = defined(spec, frame, "gate", "as_of", task)
        judged = rows.rows[f"{JUDGED}_{task}"].to_numpy(dtype=np.float64)
        rows = rows._replace(scores={"candidate": rows.scores["candidate"], JUDGED: judged})
        check = _primary if task == spec.primary_task else _other
        problems = [Finding(True, problem) for problem in candidate_problems(frame, task)]
        found[task], more = ({}, problems) if problems else check(spec, rows, task)
        findings += more
    blocking = [finding.sentence for finding in findings if finding.blocks]
    notes = [finding.sentence for finding in findings if not finding.blocks]
    weights = "judged weights" if blocking else "weights of the refit"
    first = f"On {_day(spec)['start']}, the {_DAY}, the refit was checked: the {weights} serve."
    return RefitCheck(not blocking, [first, *blocking, *notes], _day(spec), until, found)


def _primary(spec: Spec, rows: Scored, task: str) -> tuple[dict[str, Any], list[Finding]]:
    lacking = obstacles(rows, task, _DAY)
    if lacking:
        return {}, [Finding(True, reason) for reason in lacking]
    differences = Differences(spec, task, rows)
    found, findings = calibration(spec, rows, task)
    findings = [differences.not_worse(JUDGED, "judged weights"), *findings]
    findings += differences.outside_intervals([JUDGED])
    return {**found, "difference": differences.against(JUDGED)}, findings


def _other(spec: Spec, rows: Scored, task: str) -> tuple[dict[str, Any], list[Finding]]:
    """A task other than the primary one never keeps a refit from serving for lack of data."""
    members, positives = len(np.unique(rows.members)), int(rows.labels.sum())
    found: dict[str, Any] = {}
    findings: list[Finding] = []
    if len(rows.labels) >= MINIMUM_ROWS and members >= MINIMUM_MEMBERS:
        found, findings = calibration(spec, rows, task, [JUDGED])
    if min(positives, len(rows.labels) - positives) < ENOUGH or members < MINIMUM_MEMBERS:
        return found, [*findings, Finding(False, f"{task} was not compared on the {_DAY}: too few labels.")]
    differences = Differences(spec, task, rows)
    findings += [differences.not_harmed(JUDGED, "judged weights"), *differences.outside_intervals([JUDGED])]
    return {**found, "difference": differences.against(JUDGED)}, findings


def _day(spec: Spec) -> dict[str, str]:
    return {"start": iso(spec.last_gate_day.start), "end": iso(spec.last_gate_day.end)}
