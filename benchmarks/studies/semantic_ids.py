"""Study of semantic IDs: ``python -m benchmarks.studies.semantic_ids [--kuairand FOLDER]``. A light model, on a CPU."""

import json
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.studies.fitting import commit_of
from benchmarks.studies.semantic.light import FORMS, Form, Side, fit_and_score, quantized, shuffled
from benchmarks.studies.semantic.logs import kuairand
from benchmarks.studies.semantic.page import document, page
from benchmarks.studies.semantic.sample import Sample
from benchmarks.studies.semantic.world import simulated
from models.files import write_text
from models.semantic.measures import use

ROOT = Path(__file__).resolve().parents[2]
NAME = "semantic_ids"


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit every form with every seed on each sample; write the page and its figures."""
    parser = ArgumentParser(prog=f"python -m benchmarks.studies.{NAME}", description=__doc__)
    parser.add_argument("--size", default="default", help="size of the simulated world; none: leave it out")
    parser.add_argument("--kuairand", type=Path, metavar="FOLDER", help="the logs of KuaiRand-Pure; default: without")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5], help="of quantizer and model")
    parser.add_argument("--draws", type=int, default=1000, help="draws of members behind the intervals")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results", help="folder of the page")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # small operations: a second thread waits more than it does
    found = {one["name"]: one for one in _before(options.out / f"{NAME}.json")}
    for sample in _samples(options.size, options.kuairand):
        started = time.monotonic()
        studied = _studied(sample, options.seeds, options.draws)
        given = f"--size {options.size}" if sample.name != "KuaiRand-Pure" else "--size none --kuairand FOLDER"
        seeds, minutes = " ".join(map(str, options.seeds)), (time.monotonic() - started) / 60
        studied["notes"] = [
            f"Seeds {seeds} of quantizer and model; intervals: 95 %, {options.draws:,} bootstrap draws of members, of "
            "the mean over seeds.",
            f"Commit {commit_of(ROOT)}, {minutes:.0f} minutes on one CPU thread.",
            f"Command: `python -m benchmarks.studies.{NAME} {given} --seeds {seeds} --draws {options.draws}`",
        ]
        found[sample.name] = studied
    write_text(options.out / f"{NAME}.json", json.dumps({"samples": list(found.values())}, indent=1) + "\n")
    path = write_text(options.out / f"{NAME}.md", page(list(found.values())))
    print(f"{path}: {', '.join(found)}")
    return 0


def _before(path: Path) -> list[dict[str, Any]]:
    """What an earlier run wrote: samples that this run leaves out stay as they are."""
    return json.loads(path.read_text(encoding="utf-8"))["samples"] if path.is_file() else []


def _samples(size: str, logs: Path | None) -> Iterator[Sample]:
    if size != "none":
        yield simulated(size, 7)
    if logs:
        yield kuairand(logs)


def _studied(sample: Sample, seeds: Sequence[int], draws: int) -> dict[str, Any]:
    scores: dict[Form, list[np.ndarray]] = {form: [] for form in FORMS}
    sides: dict[str, Side] = {}
    for seed in seeds:
        sides = {name: quantized(vectors, seed) for name, vectors in sample.vectors.items()}
        others = {name: shuffled(side, sample.vectors[name], seed) for name, side in sides.items()}
        for form in FORMS:
            given = others if form == "shuffled" else sides
            fit = fit_and_score(sample, form, given, seed)
            scores[form].append(fit.scores)
            print(
                f"{sample.name}, seed {seed}, {form}: validate {fit.auc:.4f}, epoch {fit.epoch}, {fit.rate}", flush=True
            )
    by_side = {name: side.bytes for name, side in sides.items()}
    sizes = {
        "bytes": {form: {side: of[form] for side, of in by_side.items()} for form in ("dense", "rq", "fsq", "rq_fsq")},
        "codes": {name: side.quantizer.config.codes for name, side in sides.items()},
        "use": {
            name: _use(side, sample.vectors[name].values[sample.vectors[name].fitted]) for name, side in sides.items()
        },
    }
    return document(sample, scores, sizes, draws)


def _use(side: Side, fitted: np.ndarray) -> dict[str, Any]:
    found = use(side.quantizer.encode(torch.from_numpy(fitted)).residual, side.quantizer.config.codes)
    return {"perplexity": [one.perplexity for one in found], "dead": [one.dead for one in found]}


if __name__ == "__main__":
    sys.exit(main())
