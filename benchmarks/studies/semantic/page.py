"""The figures of the study, with paired intervals, and their page."""

from typing import Any, NamedTuple

import numpy as np

from benchmarks.studies.semantic.light import Form
from benchmarks.studies.semantic.sample import TEST, Sample
from benchmarks.studies.tables import number, table
from models.bootstrap import UserBootstrap, interval

NAMES: dict[Form, str] = {
    "none": "none",
    "profile": "profile",
    "dense": "dense",
    "rq": "RQ",
    "fsq": "FSQ",
    "rq_fsq": "RQ-FSQ",
    "shuffled": "RQ-FSQ of another member",
}
FEW, MANY = 2, 20
KEPT = 0.8
"""The share of dense's gain that RQ-FSQ has to keep."""


class Gain(NamedTuple):
    """A metric and its paired difference to none, with the 95 % interval of the difference."""

    auc: float
    gain: float
    low: float
    high: float


def gains(
    sample: Sample, scores: dict[Form, list[np.ndarray]], draws: int
) -> dict[str, tuple[int, int, dict[Form, Gain]]]:
    """By part of the test rows: its rows, its members, and every form's AUC (mean of the seeds) minus that of none."""
    test = sample.window == TEST
    label, user = sample.label[test], sample.user[test]
    few = (sample.target_events[test] <= FEW) & (sample.source_events[test] >= MANY)
    bootstrap = UserBootstrap(user, draws)
    found = {}
    for name, part in (("all", np.ones(len(label), bool)), ("cold", few)):
        drawn = {
            form: np.mean([bootstrap.draws("auc", label, one, part) for one in fits], axis=0)
            for form, fits in scores.items()
        }
        point = {
            form: float(np.mean([bootstrap.point("auc", label, one, part) for one in fits]))
            for form, fits in scores.items()
        }
        lines = {
            form: Gain(point[form], point[form] - point["none"], *interval(drawn[form] - drawn["none"]))
            for form in scores
        }
        found[name] = (int(part.sum()), len(np.unique(user[part])), lines)
    return found


def document(sample: Sample, scores: dict[Form, list[np.ndarray]], sizes: dict[str, Any], draws: int) -> dict[str, Any]:
    """Everything that the page says of one sample, as JSON."""
    found = gains(sample, scores, draws)
    lines = found["all"][2]
    dense, codes = lines["dense"], lines["rq_fsq"]
    kept = codes.gain / dense.gain if dense.gain > 0 else float("nan")
    return {
        "name": sample.name,
        "about": sample.about,
        "parts": {
            name: {"rows": rows, "members": members, "lines": {form: one._asdict() for form, one in of.items()}}
            for name, (rows, members, of) in found.items()
        },
        "bytes": sizes["bytes"],
        "codes": sizes["codes"],
        "use": sizes["use"],
        "dense_above_none": bool(dense.low > 0),
        "kept": None if np.isnan(kept) else kept,
    }


def page(documents: list[dict[str, Any]]) -> str:
    """The page as Markdown."""
    parts = [
        "# Semantic IDs: vectors of one domain as codes in another",
        "A light model (DCNv2 on the target's own counters, content and hour; no graph, no sequence) is fitted without "
        "vectors, and with the vectors of another domain in each of their forms. It is not the ranker: its figures say "
        "what a form keeps of a vector, not what a product gains. Vectors are as of a local midnight, visible three "
        "hours later; the quantizer is fitted to those from before the train window. The control gives every member "
        "the codes of another one: what it gains is what an ID of as many bits is worth. Epochs and, of tables, the "
        "learning rate (.02 or .002) are chosen on validation. "
        f"Cold: members with at most {FEW} clicks on the target and at least {MANY} events in the source before.",
    ]
    for one in documents:
        parts += [f"## {one['name']}", one["about"][0].upper() + one["about"][1:] + "."]
        for name, part in one["parts"].items():
            parts += [
                f"### {'All' if name == 'all' else 'Cold'}: {part['rows']:,} rows of {part['members']:,} members",
                table(["", "bytes a key", "AUC", "minus none"], [_line(form, one, part) for form in part["lines"]]),
            ]
        parts += [_verdict(one), _use(one), "\n".join(f"- {note}" for note in one["notes"])]
    return "\n\n".join(parts) + "\n"


def _line(form: str, one: dict[str, Any], part: dict[str, Any]) -> list[str]:
    found = part["lines"][form]
    sizes = one["bytes"].get("rq_fsq" if form == "shuffled" else form, {})
    gain = f"{number(found['gain'], True)} [{number(found['low'], True)}, {number(found['high'], True)}]"
    return [
        NAMES[form],  # type: ignore[index]
        " + ".join(f"{size} ({side})" for side, size in sizes.items()) or "–",
        number(found["auc"]),
        "" if form == "none" else gain,
    ]


def _verdict(one: dict[str, Any]) -> str:
    if not one["dense_above_none"]:
        return "Dense is not above none with its interval: a null result, with nothing for codes to keep."
    kept, cold = one["kept"], one["parts"]["cold"]["lines"]["rq_fsq"]
    return (
        f"RQ-FSQ keeps {kept:.0%} of what dense gains ({'at least' if kept >= KEPT else 'below'} {KEPT:.0%}). "
        f"For cold members its lift is {'' if cold['low'] > 0 else 'not '}above zero with its interval."
    )


def _use(one: dict[str, Any]) -> str:
    lines = [
        f"{side}: {one['codes'][side]:,} codes a level; perplexity by level "
        f"{', '.join(f'{value:.0f}' for value in use['perplexity'])}; {sum(use['dead'])} unused."
        for side, use in one["use"].items()
    ]
    return "Use of the codes by the vectors that they were fitted to. " + " ".join(lines)
