"""Study (g): what a refit through the gate window is worth. ``python -m benchmarks.studies.refit STEP WORLD ...``.

A world is a folder. ``prepare`` makes its graph from a spec whose windows have other lengths, so that days of today's
train and validate windows play the gate and the days after it; ``fit`` fits the judged model and its refit with every
seed (on a GPU machine: it needs torch, numpy and pyarrow only); ``table`` compares both on the days after the gate.
"""

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from benchmarks.studies.fitting import commit_of
from benchmarks.studies.refit_fits import PRODUCT, fit_worlds

ROOT = Path(__file__).resolve().parents[2]


def prepare(spec_path: Path, data: Path | None, days: dict[str, int], world: Path) -> None:
    """Make the world's graph: the spec at ``spec_path`` with windows of ``days`` days, from the same first day."""
    from feature_repo.applied import pushed_folder
    from feature_repo.apply import apply
    from feature_repo.retrieve import retrieve
    from feature_repo.sources.ingest import ingest
    from feature_repo.sources.windows import spec_of
    from feature_repo.store import open_store, project_of
    from models.graph.build import build_graph
    from models.spec import load_spec, parse_spec

    document = json.loads(load_spec(spec_path).model_dump_json(by_alias=True))
    for window, length in days.items():
        document["windows"][window]["days"] = length
    spec = parse_spec(json.dumps(document), str(spec_path))
    world.mkdir(parents=True, exist_ok=True)
    spec = spec_of(spec, ingest(spec, data, world / "tables"))
    (world / "spec.json").write_text(spec.model_dump_json(by_alias=True, indent=1), encoding="utf-8")
    store = open_store(ROOT / "feature_repo" / "feature_store.yaml", world / "feast", project_of(spec.name))
    tables = (world / "tables").resolve()
    apply(store, spec, tables, str(tables), pushed_folder(str(tables.parent / "feast"), store.project))
    retrieve(store, spec, world / "tables", world / "training")
    build_graph(spec, world / "tables", world / "training", world / "graph")
    product = {"model": asdict(spec.model), "training": asdict(spec.training), "until": spec.last_gate_day.start}
    (world / PRODUCT).write_text(json.dumps(product, indent=1), encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one step; return 0."""
    parser = ArgumentParser(prog="python -m benchmarks.studies.refit", description=__doc__)
    parser.add_argument("step", choices=("prepare", "fit", "table"))
    parser.add_argument("worlds", type=Path, nargs="+", help="folders of worlds; prepare takes one")
    parser.add_argument("--spec", type=Path, help="prepare: a product's YAML")
    parser.add_argument("--data", type=Path, help="prepare: the folder of its logs, where the adapter reads one")
    parser.add_argument("--days", nargs="+", default=[], metavar="WINDOW=DAYS", help="prepare: lengths of windows")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="fit: one judged model per seed")
    parser.add_argument("--jobs", type=int, default=1, help="fit: processes in parallel")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--commit", help="commit recorded in the files; default: git's current one")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results", help="table: folder of the page")
    return _run(parser.parse_args(arguments))


def _run(options: Namespace) -> int:
    if options.step == "prepare":
        days = {window: int(length) for window, length in (one.split("=") for one in options.days)}
        prepare(options.spec, options.data, days, options.worlds[0])
    elif options.step == "fit":
        commit = options.commit or commit_of(ROOT)
        fit_worlds(options.worlds, options.seeds, options.jobs, options.device, commit)
    else:
        from benchmarks.studies.refit_page import write_page

        print(write_page(options.worlds, options.out))
    return 0


if __name__ == "__main__":
    sys.exit(main())
