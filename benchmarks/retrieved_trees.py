"""Quality of gradient-boosted trees on the store's features: ``python -m benchmarks.retrieved_trees --data FOLDER``.

KuaiRand from raw files to a score: ingest, apply, retrieve, then one LightGBM per task on the retrieved columns only
(counters, member and video views, context, surface, local hour). A fit on the training days selects the number of
rounds by AUC on the validation days (windows validate and gate); the final fit uses both and that number of rounds. The
test days are scored once, at the end. Use ``--without-test`` while choosing features and parameters. Trees on counters
(models.baselines) are evaluated on the same validation days; they stop early on the first: the second alone is unseen.
The calls of get_historical_features are timed; bar: below 20 s in all.
"""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.table import show
from feature_repo.applied import pushed_folder
from feature_repo.apply import apply
from feature_repo.retrieve import retrieve
from feature_repo.sources.ingest import ingest
from feature_repo.sources.windows import spec_of
from feature_repo.store import open_store, project_of
from models.baselines.trees import fit_floor
from models.features import impression_features, training_columns
from models.filters import settled
from models.metrics import auc
from models.spec import Spec, load_spec

_ROOT = Path(__file__).parents[1]
_VALIDATION = ("validate", "gate")
_ROUNDS, _PATIENCE = 2000, 60
_PARAMETERS = {
    "objective": "binary",
    "metric": "auc",
    "learning_rate": 0.02,
    "num_leaves": 31,
    "min_data_in_leaf": 100,
    "feature_fraction": 0.25,  # many columns are nearly redundant: vary them
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "cat_smooth": 20.0,
    "max_bin": 127,
    "verbosity": -1,
    "seed": 1,
    "deterministic": True,
    "force_row_wise": True,
}


def main() -> int:
    """Retrieve, fit and print; return 1 where a bar does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder of KuaiRand-Pure")
    parser.add_argument("--spec", type=Path, default=_ROOT / "configs" / "kuairand.yaml")
    parser.add_argument("--threads", type=int, default=0, help="of LightGBM; 0 = all cores")
    parser.add_argument("--without-test", action="store_true", help="leave the test days alone")
    arguments = parser.parse_args()
    spec = load_spec(arguments.spec)
    with TemporaryDirectory() as folder:
        spec, frame, figures = _retrieved(spec, arguments.data, Path(folder))
    figures |= _floor(spec, frame, arguments.threads)
    started = perf_counter()
    inputs, categories = _inputs(spec, frame)
    figures["features"] = inputs.shape[1]
    scored = None if arguments.without_test else "test"
    for task in ("click", "long_view"):
        figures |= _fitted(spec, frame, inputs, categories, task, scored, arguments.threads)
    figures["trees_s"] = perf_counter() - started
    for name in [name for name in figures if name.endswith("_auc")]:
        print(f"{name:<28} {figures[name]:.4f}")
    bars = {"get_historical_features_below_20_s": figures["get_historical_features_s"] < 20}
    return show("retrieved_trees", figures, bars)


def _retrieved(spec: Spec, data: Path, folder: Path) -> tuple[Spec, pd.DataFrame, dict[str, Any]]:
    """Retrieve the training set's impressions; return the spec with dates, the rows, and the seconds of each step."""
    figures: dict[str, Any] = {}
    tables = folder / "tables"
    with _timed(figures, "ingest_s"):
        spec = spec_of(spec, ingest(spec, data, tables))
    store = open_store(_ROOT / "feature_repo" / "feature_store.yaml", folder, project_of(spec.name))
    with _timed(figures, "apply_s"):
        address = str(tables.resolve())
        apply(store, spec, tables, address, pushed_folder(str(folder.resolve()), store.project))
    calls = _record_calls(store)
    with _timed(figures, "retrieve_s"):
        retrieve(store, spec, tables, folder / "training")
    for number, (views, rows, seconds) in enumerate(calls, start=1):
        print(f"get_historical_features {number:>2}: {rows:>8,} rows {seconds:6.2f} s  {views}")
    figures |= {"calls": len(calls), "get_historical_features_s": float(sum(seconds for *_, seconds in calls))}
    return spec, pd.read_parquet(folder / "training" / "impressions.parquet"), figures


@contextmanager
def _timed(figures: dict[str, Any], name: str) -> Iterator[None]:
    started = perf_counter()
    yield
    figures[name] = perf_counter() - started


def _record_calls(store: Any) -> list[tuple[str, int, float]]:
    """Record every historical retrieval of this store from now on: (views, rows, seconds)."""
    calls: list[tuple[str, int, float]] = []
    retrieve = store.get_historical_features

    def timed(**options: Any) -> Any:
        started = perf_counter()
        job = retrieve(**options)
        retrieved = job.to_arrow()
        views = ", ".join(dict.fromkeys(feature.split(":")[0] for feature in options["features"]))
        calls.append((views, retrieved.num_rows, perf_counter() - started))
        job.to_arrow = lambda *_, **__: retrieved
        return job

    store.get_historical_features = timed
    return calls


def _inputs(spec: Spec, frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Build (rows, columns) float32 of all retrieved features, surface and local hour, and list the categorical ones.

    A category is encoded by its value's index among the training days' values; -1 = missing or unknown.
    """
    features = list(dict.fromkeys(impression_features(spec) + training_columns(spec)))
    numbers = {f.name: frame[f.name].astype("float32") for f in features if f.kind == "number"}
    names = [*(feature.name for feature in features if feature.kind == "category"), spec.impressions.surface]
    codes = {}
    for name in names:
        known = sorted(frame.loc[frame["window"] == "train", name].dropna().unique())
        codes[name] = pd.Categorical(frame[name], categories=known).codes.astype("float32")
    hour = frame[spec.impressions.time].dt.tz_convert(spec.zone).dt.hour.astype("float32")
    return pd.DataFrame({**numbers, **codes, "local_hour": hour}, index=frame.index), names


def _fitted(
    spec: Spec,
    frame: pd.DataFrame,
    inputs: pd.DataFrame,
    categories: list[str],
    task: str,
    scored: str | None,
    threads: int,
) -> dict[str, Any]:
    """AUC of one task on the validation days, rounds, and the final fit's AUC on the window ``scored``, if given."""
    import lightgbm

    labels = frame[spec.tasks[task].label].to_numpy(dtype=float)
    known = settled(spec, frame)
    train, held = _rows(frame, "train") & known, _rows(frame, *_VALIDATION) & known
    parameters = {**_PARAMETERS, "num_threads": threads}

    def dataset(rows: np.ndarray, **given: Any) -> Any:
        return lightgbm.Dataset(
            inputs[rows], labels[rows], categorical_feature=categories, params=dict(parameters), **given
        )

    first = dataset(train)
    judge = dataset(held, reference=first)
    stop = lightgbm.early_stopping(_PATIENCE, verbose=False)
    model = lightgbm.train(parameters, first, _ROUNDS, valid_sets=[judge], callbacks=[stop])
    rounds = model.best_iteration
    figures: dict[str, Any] = {f"{task}_rounds": rounds}
    for name, windows in (("validation", _VALIDATION), *((window, (window,)) for window in _VALIDATION)):
        rows = _rows(frame, *windows) & known
        figures[f"{task}_{name}_auc"] = round(_auc(labels, rows, model.predict(inputs[rows], num_iteration=rounds)), 4)
    if scored:
        final = lightgbm.train(parameters, dataset(train | held), rounds)
        rows = _rows(frame, scored)
        figures[f"{task}_{scored}_auc"] = round(_auc(labels, rows, final.predict(inputs[rows])), 4)
    return figures


def _floor(spec: Spec, frame: pd.DataFrame, threads: int) -> dict[str, Any]:
    """Evaluate trees on counters and context only, on the validation days."""
    floor = fit_floor(frame, spec, threads=threads or None)
    rows = frame[_rows(frame, *_VALIDATION)]
    predicted = floor.predict(rows)
    figures = {}
    for window in _VALIDATION:
        for task in ("click", "long_view"):
            chosen = (rows["window"] == window).to_numpy()
            labels = rows[spec.tasks[task].label].to_numpy(dtype=float)
            figures[f"floor_{task}_{window}_auc"] = round(_auc(labels, chosen, predicted[task][chosen]), 4)
    return figures


def _rows(frame: pd.DataFrame, *windows: str) -> np.ndarray:
    return frame["window"].isin(windows).to_numpy()


def _auc(labels: np.ndarray, rows: np.ndarray, scores: Any) -> float:
    return float(auc(labels[rows], np.asarray(scores)))


if __name__ == "__main__":
    sys.exit(main())
