"""A version's first days: its profile stands for the quiet days that are not there yet."""

import copy
import dataclasses
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from benchmarks.monitoring_faults.product import ROLES
from benchmarks.monitoring_faults.world import World
from benchmarks.monitoring_faults.young import FROM_THE_FIRST_DAY, first_days, found_from_the_first_day, trained, young
from monitoring.days import DaySummary
from monitoring.monitors.calibration import calibration
from monitoring.monitors.context import Context
from monitoring.monitors.features import features
from monitoring.monitors.judge import MONITORS, context_of
from monitoring.monitors.labels import labels
from monitoring.monitors.predictions import predictions
from monitoring.monitors.serving import serving
from monitoring.profiles import VersionProfile
from monitoring.verdict import LAYERS, State
from tests.monitoring.monitors.history import SPEC, causes, changed, days
from tests.monitoring.monitors.history import context as after_a_month

WORLD = World(1000, 2000)
TRAIN_DAYS = 4
Change = Callable[[dict[str, Any]], object]


@cache
def profile() -> VersionProfile:
    return trained(WORLD, TRAIN_DAYS)


@cache
def first_day() -> DaySummary:
    product = young(WORLD, profile(), TRAIN_DAYS)
    product.next()
    return product.summaries[0]


def context(change: Change = dict, version: str = "7") -> Context:
    """The first served day after ``change`` has changed its document, compared with a version's profile."""
    document = copy.deepcopy(first_day().to_json())
    change(document)
    document["profile"]["version"] = version
    return context_of(SPEC, DaySummary.from_json(document), (), (), ROLES)


def cold(day: dict[str, Any]) -> None:
    day["profile"]["cold"] = {"member": 0.1}
    day["serving"]["member_cold"] = 0.45


def scaled(name: str, factor: float) -> Change:
    """Mean or spread of the probabilities, changed in the profile alone."""

    def change(day: dict[str, Any]) -> None:
        judged = day["profile"]["predictions"]["click"]["feed"]
        judged[name] = [one / factor for one in judged[name]]

    return change


def more_labels(day: dict[str, Any]) -> None:
    for cell in day["figures"]:
        cell["positives"] = cell["settled"]


def without(column: str, share: str, value: float) -> Change:
    return lambda day: day["profile"]["columns"][column].update({share: value})


FAULTS: dict[str, tuple[Any, Change, str, State]] = {
    "cold": (serving, cold, "serving.cold", State.DATA_FAULT),
    "null": (features, without("item_rate", "null_now", 0.25), "features.null", State.DATA_FAULT),
    "infinite": (features, without("item_rate", "infinite_now", 0.02), "features.infinite", State.DATA_FAULT),
    "new": (features, without("country", "new_share", 0.4), "features.new_value", State.DATA_FAULT),
    "mean": (predictions, scaled("mean", 5.0), "predictions.shift", State.ROLL_BACK),
    "spread": (predictions, scaled("spread", 0.2), "predictions.shift", State.ROLL_BACK),
    "invalid": (
        predictions,
        lambda day: day["predictions"]["click"]["all"].update(invalid=500),
        "predictions.invalid",
        State.ROLL_BACK,
    ),
    "surplus": (labels, more_labels, "labels.surplus", State.DATA_FAULT),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_training_did_not_have_asks_for_its_action_on_the_first_day(fault: str) -> None:
    monitor, change, cause, state = FAULTS[fault]
    assert (cause, state) in {(one.cause, one.state) for one in monitor(context(change))}


@pytest.mark.parametrize("fault", FAULTS)
def test_another_version_s_profile_says_nothing(fault: str) -> None:
    monitor, change, _, _ = FAULTS[fault]
    assert all(one.state == State.WATCH for one in monitor(context(change, "8")))


@pytest.mark.parametrize("layer", LAYERS)
def test_a_first_day_as_in_training_raises_none(layer: str) -> None:
    assert MONITORS[layer](context()) == []


def month_later(change: Change, version: str = "7") -> Context:
    """The last of 29 days after ``change`` has changed its document, compared with a version's profile."""
    document = copy.deepcopy(days()[-1].to_json())
    document["profile"] = {**copy.deepcopy(first_day().to_json()["profile"]), "version": version}
    change(document)
    return after_a_month(DaySummary.from_json(document))


def test_limits_of_quiet_days_take_the_profile_s_place() -> None:
    assert serving(month_later(lambda day: day["profile"].update(cold={"member": -1.0}))) == []


def test_a_profile_says_nothing_of_a_change_that_was_accepted() -> None:
    found = context(cold).since(first_day().day)
    assert serving(found) == []
    assert found.newest.profile == {}


def promoted(factor: float, judged: float = 1.0, surfaces: bool = True) -> Context:
    """Version 9 serves since today, with other probabilities; its evaluation had ``judged`` times those of today.

    Without ``surfaces``, it had too few rows of each surface.
    """

    def change(day: dict[str, Any]) -> None:
        day["traffic"]["versions"] = {"9": day["rows"]}
        for surface, cell in day["predictions"]["click"].items():
            cell["mean"] *= factor
            ends = day["profile"]["predictions"]["click"][surface]
            ends["mean"], ends["spread"] = [cell["mean"] * judged] * 2, [cell["spread"]] * 2
        if not surfaces:
            day["profile"]["predictions"]["click"] = {"all": day["profile"]["predictions"]["click"]["all"]}
        for cell in day["figures"]:
            cell["version"] = "9" if cell["version"] == "7" else cell["version"]
            cell["expected"] *= factor

    return dataclasses.replace(month_later(change, "9"), roles={"champion": "9"})


@pytest.mark.parametrize("surfaces", [True, False])
@pytest.mark.parametrize(("judged", "expected"), [(1.0, set()), (0.3, {"predictions.shift"})])
def test_a_new_version_may_predict_what_its_evaluation_had(judged: float, expected: set[str], surfaces: bool) -> None:
    assert causes(predictions(promoted(2.0, judged, surfaces))) == expected


@pytest.mark.parametrize(("factor", "expected"), [(1.0, set()), (3.0, {"calibration.ratio"})])
def test_a_new_calibration_is_not_compared_with_the_old_one(factor: float, expected: set[str]) -> None:
    """Earlier days were 3 times too high, which was usual."""

    def usual(day: dict[str, Any]) -> None:
        for cell in day["figures"]:
            cell["expected"] *= 3

    judged = promoted(factor)
    before = tuple(changed(usual, day) for day in judged.quiet)
    found = calibration(dataclasses.replace(judged, earlier=before, quiet=before))
    assert causes(found) == expected


@pytest.mark.parametrize(("before", "expected"), [(1.7, set()), (1.0, {"calibration.ratio"})])
def test_a_surface_that_the_profile_lacks_is_compared_with_quiet_days(before: float, expected: set[str]) -> None:
    """Since a promotion six days ago the ratio on one surface is 1.7, as it was before or not."""

    def scale(day: dict[str, Any], factor: float) -> None:
        for cell in day["figures"]:
            if cell["surface"] == "feed":
                cell["expected"] *= factor

    def new(day: dict[str, Any]) -> None:
        day["traffic"]["versions"] = {"9": day["rows"]}
        if day["profile"]:
            day["profile"]["calibration"] = {"click": {}, "engage": {}}
        scale(day, 1.7)

    judged = promoted(1.0)
    past = tuple(changed(lambda day: scale(day, before), day) for day in judged.quiet[:-5])
    past += tuple(changed(new, day) for day in judged.quiet[-5:])
    judged = dataclasses.replace(judged, newest=changed(new, judged.newest), earlier=past, quiet=past)
    assert causes(calibration(judged)) == expected


@pytest.mark.parametrize(("share", "expected"), [(0.4, set()), (0.6, {("serving.fallback", State.DATA_FAULT)})])
def test_half_of_the_first_rows_as_fallbacks_is_a_fault(share: float, expected: set[tuple[str, State]]) -> None:
    found = serving(context(lambda day: day["serving"].update(fallback=share)))
    assert {(one.cause, one.state) for one in found} == expected


def test_more_positives_than_in_training_are_no_fault_where_the_version_predicts_them() -> None:
    def better(day: dict[str, Any]) -> None:
        for cell in day["figures"]:
            cell["positives"] = 3 * cell["positives"]
            cell["expected"] = 2.9 * cell["expected"]

    assert labels(context(better)) == []


def test_the_first_days_of_a_product_have_no_false_alarm() -> None:
    assert {one.state for one in first_days(WORLD, profile())} == {State.WATCH, State.HEALTHY}


@pytest.mark.parametrize("fault", ["calibration_x1.3", "labels_missing", "all_fallbacks"])
def test_a_fault_that_is_there_from_the_first_day_never_becomes_a_habit(fault: str) -> None:
    # In a week, not three days: a tenth of the benchmark's rows.
    verdicts = first_days(WORLD, profile(), fault)
    assert found_from_the_first_day(verdicts, FROM_THE_FIRST_DAY[fault]._replace(within=7))
