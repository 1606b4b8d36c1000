"""The first served days of a product, whose version has a profile: what is wrong from the first day on is no habit."""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.monitoring_faults.faults import FAULTS
from benchmarks.monitoring_faults.product import CALM, Product
from benchmarks.monitoring_faults.table import EXPECTED, Expected
from benchmarks.monitoring_faults.world import VERSIONS, Served, World, spec
from models.features import impression_features
from models.time_units import moment
from monitoring.documents import write_frame
from monitoring.profiles import VersionProfile, build_profile, compared_with
from monitoring.verdict import State, Verdict

TRAINED = 7
"""Days of the train window, and of the evaluation after it; the day after them is the first served one."""
DAYS = 12
"""Served days: more than limits are learned from."""
_LABELS = {"click": "clicked", "engage": "engaged"}
FROM_THE_FIRST_DAY = {
    **{name: EXPECTED[name] for name in ("constant", "category_null_95", "null_30", "served_half", "labels_missing")},
    **{name: EXPECTED[name] for name in ("labels_late", "all_fallbacks")},
    "calibration_x1.3": EXPECTED["calibration_x1.3"]._replace(within=3),
    # What other probabilities the version should have is not known from other days: they do not fit the outcomes.
    "served_x1.3": Expected(("calibration.ratio",), State.RECALIBRATE, within=3),
}
"""Verdicts of faults that are there from the first day on."""


def trained(world: World, days: int = TRAINED) -> VersionProfile:
    """The profile of a version that was trained on the world's first days and judged on the days after them."""
    with tempfile.TemporaryDirectory() as folder:
        train = pd.concat([_impressions(world.day(number)) for number in range(days)])
        write_frame(Path(folder) / "set" / "impressions.parquet", train)
        judged = pd.concat([_predictions(world.day(days + number)) for number in range(days)])
        write_frame(Path(folder) / "evaluation" / "predictions.parquet", judged)
        return build_profile(spec(), Path(folder) / "set", Path(folder) / "evaluation")


def young(world: World, profile: VersionProfile, days: int = TRAINED) -> Product:
    """The product on its first served day."""
    return Product(world, first=2 * days, compare=compared_with({VERSIONS[0]: profile}.get))


def first_days(world: World, profile: VersionProfile, fault: str = "") -> list[Verdict]:
    """The verdicts of the first served days; with a fault on all of them."""
    product = young(world, profile)
    spoil = FAULTS.get(fault)
    if spoil is None:
        return [product.next() for _ in range(DAYS)]
    return [product.next(lambda day: spoil(day, np.random.default_rng([world.seed, 2]))) for _ in range(DAYS)]


def found_from_the_first_day(verdicts: list[Verdict], expected: Expected) -> bool:
    """Whether the fault was found in time, by its name, and on no later day was a habit."""
    right = [one.cause in expected.causes and one.state == expected.state for one in verdicts]
    return all(right[expected.within - 1 :]) and not any(
        one.state not in CALM and not fits for one, fits in zip(verdicts, right, strict=True)
    )


def _impressions(day: Served) -> pd.DataFrame:
    """The rows of a day that were ranked, as a training set has them."""
    frame = _ranked(day)
    happened = pd.concat([frame[f"happened_{task}"] for task in _LABELS], axis=1).min(axis=1)
    found = frame[["surface", *(feature.name for feature in impression_features(spec()))]]
    return found.assign(
        member_id=frame["member"],
        item_id=frame["item"],
        window="train",
        time=_times(frame["served"]),
        settled_time=_times(happened.fillna(frame["served"])),
        **{label: frame[f"label_{task}"] for task, label in _LABELS.items()},
    )


def _predictions(day: Served) -> pd.DataFrame:
    frame = _ranked(day)
    given = {f"candidate_{task}": frame[f"probability_{task}"] for task in _LABELS}
    labels = {f"label_{task}": frame[f"label_{task}"] for task in _LABELS}
    return pd.DataFrame(
        {"time": _times(frame["served"]), "surface": frame["surface"], "state": "as_of", **given, **labels}
    )


def _ranked(day: Served) -> pd.DataFrame:
    frame = day.table.to_pandas()
    return frame[~frame["fallback"]]


def _times(values: pd.Series) -> pd.Series:
    return pd.Series([moment(int(value)) for value in values], index=values.index)
