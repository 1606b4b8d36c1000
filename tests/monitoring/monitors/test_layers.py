"""One alarm per layer and cause: the newest day is changed, 28 quiet days are not."""

from dataclasses import replace

import pytest

from monitoring.accepted import Accepted
from monitoring.monitors.canary import canary
from monitoring.monitors.features import features
from monitoring.monitors.judge import MONITORS, context_of
from monitoring.monitors.labels import labels
from monitoring.monitors.log import log
from monitoring.monitors.predictions import predictions
from monitoring.monitors.ranking import ranking
from monitoring.monitors.serving import serving
from monitoring.monitors.traffic import traffic
from monitoring.verdict import LAYERS, State, Verdict
from tests.monitoring.monitors.history import SPEC, causes, changed, context, days, on_days, put


def column():
    return days()[-1].columns["item_rate"]


FAULTS = {
    "log.torn": (log, lambda: put("log.torn", 100)),
    "log.clock": (log, lambda: put("log.clock", 100)),
    "log.column": (log, lambda: changed(lambda day: day["log"]["columns"].remove("country"))),
    "log.empty": (log, lambda: changed(lambda day: day.update(rows=0))),
    "log.few_rows": (log, lambda: changed(lambda day: day.update(rows=30))),
    "serving.fallback": (serving, lambda: put("serving.fallback", 0.4)),
    "serving.cold": (serving, lambda: put("serving.item_cold", 0.6)),
    "serving.stale": (serving, lambda: put("serving.stale.vectors", 0.5)),
    "serving.latency": (serving, lambda: put("serving.latency.p99", 3.0)),
    "traffic.surface": (traffic, lambda: put("traffic.surfaces.feed", 0)),
    "traffic.member": (traffic, lambda: put("traffic.member.share", 0.4)),
    "traffic.item": (traffic, lambda: put("traffic.item.share", 0.7)),
    "traffic.hours": (traffic, lambda: put("traffic.hours", [days()[-1].rows] + [0] * 23)),
    "traffic.version": (traffic, lambda: changed(lambda day: day["traffic"]["versions"].pop("8"))),
    "traffic.rows": (traffic, lambda: changed(lambda day: day.update(rows=10 * days()[-1].rows))),
    "features.null": (features, lambda: put("columns.item_rate.missing", column()["rows"] // 3)),
    "features.infinite": (features, lambda: put("columns.item_rate.infinite", column()["rows"] // 10)),
    "features.constant": (features, lambda: put("columns.item_rate.most", 1.0)),
    "features.shift": (
        features,
        lambda: put("columns.item_rate.quantiles", [one + 1 for one in column()["quantiles"]]),
    ),
    "features.new_value": (features, lambda: put("columns.device.values.glasses", 300)),
    "features.type": (features, lambda: changed(lambda day: day["columns"].update(item_rate=day["columns"]["device"]))),
    "predictions.invalid": (predictions, lambda: put("predictions.click.all.invalid", 100)),
    "predictions.constant": (predictions, lambda: put("predictions.click.all.most", 0.95)),
    "predictions.shift": (predictions, lambda: put("predictions.click.feed.mean", 0.6)),
    "labels.delay": (labels, lambda: put("labels.click.all.delay", [0] * 11 + [100])),
    "labels.missing": (labels, lambda: put("labels.click.all.positives", 0)),
    "labels.surplus": (labels, lambda: put("labels.click.all.positives", days()[-1].rows)),
    "labels.orphan": (labels, lambda: put("log.orphan", 100)),
    "labels.clock": (labels, lambda: put("log.skewed", 100)),
    "labels.duplicate": (labels, lambda: put("log.duplicate", 100)),
    "ranking.auc": (ranking, lambda: changed(lambda day: day["figures"][0].update(auc=0.5))),
    "ranking.entropy": (ranking, lambda: changed(lambda day: day["figures"][0].update(normalised_entropy=1.4))),
}


@pytest.mark.parametrize("cause", FAULTS)
def test_the_fault_raises_the_alarm_of_its_layer(cause):
    monitor, newest = FAULTS[cause]

    found = monitor(context(newest()))

    assert cause in causes(found)
    assert {one.layer for one in found} == {cause.partition(".")[0]}
    assert all(one.text and len(one.text) < 300 for one in found)


def test_another_distribution_of_a_nodes_feature_is_a_warning_and_a_lost_one_a_fault():
    def on_a_node(**parts):
        return changed(lambda day: day["columns"]["item_rate"].update(parts, node=True))

    moved = features(context(on_a_node(quantiles=[one + 1 for one in column()["quantiles"]])))
    assert [(one.cause, one.state) for one in moved] == [("features.shift", State.WATCH)]
    for share, state in ((1 / 3, State.WATCH), (2 / 3, State.DATA_FAULT)):  # many new ones have no values yet either
        lost = features(context(on_a_node(missing=int(column()["rows"] * share))))
        assert [(one.cause, one.state) for one in lost] == [("features.null", state)]


@pytest.mark.parametrize("layer", LAYERS)
def test_a_quiet_day_raises_none(layer):
    assert MONITORS[layer](context()) == []


@pytest.mark.parametrize("layer", LAYERS)
def test_a_first_day_raises_none(layer):
    assert MONITORS[layer](context(days()[0], ())) == []


def test_before_limits_are_learned_an_alarm_is_a_warning():
    found = serving(context(put("serving.fallback", 0.9), days()[:3]))

    assert [one.state for one in found] == [State.WATCH]


def test_features_of_fallbacks_alone_are_not_gone():
    def all_fallbacks(day):
        day["log"]["columns"].remove("country")
        day["serving"]["fallback"] = 1.0

    assert log(context(changed(all_fallbacks))) == []


def test_a_feature_that_the_spec_has_dropped_is_not_gone():
    newest = changed(lambda day: day["log"]["columns"].remove("country"))
    judged = context(newest)
    object.__setattr__(judged, "features", ("device",))

    assert log(judged) == []


@pytest.mark.parametrize(("explores", "expected"), [(False, set()), (True, {"log.column"})])
def test_a_propensity_is_not_gone_where_the_spec_does_not_explore(explores, expected):
    *earlier, _ = on_days(lambda day, number: day["log"]["columns"].append("propensity"))
    names = [name for name in days()[-1].log["columns"] if name != "propensity"]
    judged = context(put("log.columns", names), tuple(earlier))
    object.__setattr__(judged, "explores", explores)

    assert causes(log(judged)) == expected


def test_a_probability_of_a_task_that_the_spec_has_dropped_is_not_gone():
    *earlier, _ = on_days(lambda day, number: day["log"]["columns"].append("probability_share"))
    names = [one for one in days()[-1].log["columns"] if one not in ("probability_share", "probability_click")]
    found = log(context(put("log.columns", names), tuple(earlier)))

    assert [one.subject for one in found] == ["probability_click"]


@pytest.mark.parametrize("accepted", [False, True])
@pytest.mark.parametrize(
    ("monitor", "first", "second"),
    [(labels, ("labels.delay", "late", 150), "labels.missing"), (log, ("log.clock", "clock", 60), "log.column")],
)
def test_an_accepted_fault_hides_no_other(monitor, first, second, accepted):
    cause, count, rows = first

    def both(day):
        day["log"][count] = rows
        day["log"]["columns"].remove("country")
        day["labels"]["click"]["all"]["positives"] = 0

    judged = context(changed(both))
    wanted = Accepted(cause, "", judged.newest.day, judged.newest.day, "so", "Ada", "2026-01-01T00:00:00Z")
    found = causes(monitor(replace(judged, accepted=(wanted,) if accepted else ())))

    assert found == ({cause, second} if accepted else {cause})


def test_a_new_version_may_predict_otherwise():
    def other(day):
        day["traffic"]["versions"] = {"9": day["rows"]}
        for surface in day["predictions"]["click"].values():
            surface["spread"] *= 1.3

    newest = changed(other)
    new, old = context(newest), context(newest)
    object.__setattr__(new, "roles", {"champion": "9"})

    assert predictions(new) == []
    assert causes(predictions(old)) == {"predictions.shift"}


def test_hours_without_a_positive_are_missing():
    settled, positives = days()[-1].labels["click"]["all"]["hours"]
    outage = put("labels.click.all.hours", [[30 * one for one in settled], [0] * 20 + positives[20:]])

    assert causes(labels(context(outage))) == {"labels.missing"}


def test_rates_of_a_pending_day_are_not_judged():
    def pending(day):
        day["labels"]["click"]["all"]["positives"] = 0
        day["log"]["pending"] = day["rows"]

    assert labels(context(changed(pending))) == []


def test_a_new_value_asks_for_training_once_it_is_frequent():
    rare, frequent = (features(context(put("columns.device.values.glasses", count))) for count in (6, 30))

    assert [(one.cause, one.state) for one in rare] == [("features.new_value", State.WATCH)]
    assert [(one.cause, one.state) for one in frequent] == [("features.new_value", State.RETRAIN)]
    assert State.DATA_FAULT in {one.state for one in features(context(put("columns.device.values", {"glasses": 1400})))}


def test_a_version_that_has_no_role_may_end():
    newest = changed(lambda day: day["traffic"]["versions"].pop("8"))
    judged = context(newest)
    object.__setattr__(judged, "roles", {})

    assert [one.state for one in traffic(judged)] == [State.WATCH]


def test_a_small_canary_may_have_no_slate_of_a_day():
    *earlier, newest = on_days(lambda day, number: day["traffic"].update(versions={"7": day["rows"] - 5, "8": 5}))
    gone = changed(lambda day: day["traffic"]["versions"].pop("8"), newest)
    many = changed(lambda day: day["serving"].update(slates=10**5), gone)

    assert traffic(context(gone, tuple(earlier))) == []
    assert causes(traffic(context(many, tuple(earlier)))) == {"traffic.version"}


def test_a_version_that_only_now_has_a_role_may_have_had_no_rows():
    newest = changed(lambda day: day["traffic"]["versions"].pop("8"))
    quiet = [Verdict(State.HEALTHY, "", one.day, one.day, (), "nothing", {"champion": "7"}) for one in days()[:-1]]
    judged = context_of(SPEC, newest, days()[:-1], quiet, {"champion": "8"})

    assert [one.state for one in traffic(judged)] == [State.WATCH]
    assert [one.state for one in traffic(context(newest))] == [State.DATA_FAULT]


def test_a_slow_decline_of_the_auc_asks_for_training():
    def decline(day, number):
        for figure in day["figures"]:
            figure["auc"] = 0.8 - 0.002 * number

    *earlier, newest = on_days(decline)

    found = ranking(context(newest, tuple(earlier)))

    assert {(one.cause, one.state) for one in found} == {("ranking.decline", State.RETRAIN)}


@pytest.mark.parametrize(
    ("growth", "promoted", "before", "expected"),
    [
        (0.01, 0, "", {"features.drift"}),
        (0.01, 7, "other", {"features.drift"}),
        (0.0, 0, "", set()),
        (0.0, 7, "other", set()),
        (0.01, 10, "other", set()),
        (0.01, 20, "own", {"features.drift"}),  # a new calibration
        (0.0, 20, "own", set()),
    ],
)
def test_a_column_that_moves_away_from_training_asks_for_training(growth, promoted, before, expected):
    def moves(day, number):
        version, digest = ("7", "own") if number >= promoted else ("6", before)
        psi = 0.3 + growth * number if digest == "own" else 0.05  # the other version's train window was closer
        day["profile"] = {"version": version, "digest": digest, "columns": {"item_rate": {"psi": psi}}}

    *earlier, newest = on_days(moves)

    assert causes(features(context(newest, tuple(earlier)))) == expected


@pytest.mark.parametrize(("loss", "expected"), [(0.05, {"canary.rate"}), (0.0, set())])
def test_on_a_day_with_three_versions_the_champion_is_compared_with_the_canary(loss, expected):
    """Version 6 was champion until noon: what 7 and 8 lose against it is not the canary's fault."""

    def three(day, number):
        (one,) = (dict(one) for one in day["canaries"][:1])
        pairs = {("6", "7"): -0.2, ("6", "8"): -0.2, ("7", "8"): -loss}
        day["canaries"] = [
            {**one, "champion": first, "canary": second, "difference": change, "error": 0.01, "champion_rate": 0.1}
            for (first, second), change in pairs.items()
        ]

    *earlier, newest = on_days(three)
    assert causes(canary(context(newest, tuple(earlier)))) == expected


@pytest.mark.parametrize(("loss", "expected"), [(0.03, {"canary.rate"}), (0.0, set())])
@pytest.mark.parametrize("more", ["7", "8"])
def test_a_canary_that_is_worse_is_rolled_back(more, loss, expected):
    def worse(day, number):
        for one in day["canaries"]:
            one.update(champion="7", canary="8", difference=-loss, error=0.02, champion_rate=0.1)
            if more == "8":  # of the two, the one with most rows is compared with the other
                one.update(champion="8", canary="7", difference=loss, champion_rate=0.1 - loss)

    *earlier, newest = on_days(worse)
    found = canary(context(newest, tuple(earlier)))

    assert causes(found) == expected
    assert all(one.state == State.ROLL_BACK for one in found)
    assert [round(one.figures["champion"], 9) for one in found] == [0.1] * len(expected)
