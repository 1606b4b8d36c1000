"""Views that the quality gate refuses, and what the command says of them."""

from typing import Any

import pytest

from feature_repo.commands import main
from feature_repo.materialise import materialize
from feature_repo.quality import QualityError
from tests.feature_repo import kept, tiny
from tests.feature_repo.kept import Kept, at

MEMBERS, POSTS = list(tiny.MEMBERS), list(tiny.POSTS)


def _expecting(product: Kept, **parts: Any) -> Kept:
    return product.again(kept.kept_spec(profile={"expectations": parts}))


def test_a_view_that_fails_keeps_its_last_good_values_and_the_others_go_on(own: Kept) -> None:
    own = _expecting(own, points={"nulls": 0.1, "max": 10})
    own.run(at(6))
    before, records = own.read("profile", "points", MEMBERS), own.records()
    own.write("profile", *((m, 7, 7, None if m == 1 else 50.0, "x") for m in MEMBERS))
    own.write("posts", ("p1", 7, 1_000.0))
    done = own.run(at(8))
    assert list(done) == ["streaks", "posts", "recent_activities"]
    (nulls, largest) = done.refused["profile"]
    assert str(nulls).startswith(
        "view profile, points: expected no value for at most 0.1 of the keys; found 0.2 (1 of 5"
    )
    assert largest.found == "50"
    assert own.read("profile", "points", MEMBERS) == before
    assert own.read("posts", "visits", ["p1"]) == [1_000.0]
    assert own.records()["profile"] == records["profile"]
    intervals = own.store.get_feature_view("profile").materialization_intervals
    assert [end for _, end in intervals] == [kept.moment(4)]  # its newest row then
    own.write("profile", *((m, 7, 7, 5.0, "x") for m in MEMBERS))
    assert own.run(at(8), since_last=True)["profile"] == 5
    assert own.read("profile", "points", MEMBERS) == [5.0] * 5


def test_a_view_without_good_values_is_an_error_after_the_others_were_written(own: Kept) -> None:
    own = _expecting(own, points={"max": 3})
    with pytest.raises(QualityError, match=r"view profile, points: expected values of at most 3; found 5\.4"):
        own.run()
    assert own.read("profile", "points", MEMBERS) == [None] * 5
    assert None not in own.read("posts", "visits", POSTS)
    assert "profile" not in own.records()


def test_drift_is_judged_against_the_last_good_values_and_not_the_refused_ones(own: Kept) -> None:
    own = _expecting(own, country={"drift": 0.2}, points={"drift": 0.2})

    def shift(day: int, share: float, points: float) -> list[str]:
        rows = ((m, day, day, m % 7 + points, "a" if m < 200 * share else "b") for m in range(200))
        own.write("profile", *rows)
        refused = materialize(own.store, own.spec, at(day + 1)).refused.get("profile", [])
        return [str(finding.feature) for finding in refused]

    assert shift(1, 0.5, 0.0) == []
    assert shift(2, 0.65, 0.0) == []
    assert shift(3, 0.9, 3.0) == ["country", "points"]
    assert shift(4, 0.9, 0.0) == ["country"]  # refused values are no measure for the next
    assert shift(5, 0.8, 0.0) == []


def test_a_view_that_stopped_is_refused(own: Kept) -> None:
    own = own.again(kept.kept_spec(posts={"fresh_within_days": 2}))
    own.run(at(6))
    assert [str(f) for f in own.run(at(7) + 1).refused["posts"]] == [
        "view posts: expected a row of the last 2 days before 2026-01-08T00:00:00.000001+00:00; found "
        "2026-01-06T00:00:00+00:00 as the newest. Find out why the table stopped, or change the view's "
        "`fresh_within_days`"
    ]


def test_the_command_prints_what_was_written_and_what_was_refused(
    own: Kept, capsys: pytest.CaptureFixture[str]
) -> None:
    own = own.again(kept.kept_spec(posts={"fresh_within_days": 2}))
    where = ["materialize", "--state", str(own.state), "--config", str(own.state.parent / "feature_store.yaml")]
    assert main([*where, "--until", "2026-01-05T01:00+01:00"]) == 0
    printed = capsys.readouterr().out
    assert "profile                       5 rows" in printed
    assert own.read("posts", "visits", POSTS) == [300.0, 301.0, 302.0]
    assert main([*where, "--until", "2026-01-09T00:00:00+00:00", "--since-last", "--overlap", "12h"]) == 1
    printed = capsys.readouterr().out
    assert "posts              REFUSED: view posts: expected a row of the last 2 days" in printed
    assert own.read("posts", "visits", POSTS) == [300.0, 301.0, 302.0]
    with pytest.raises(SystemExit):
        main([*where, "--until", "2026-01-09T00:00:00"])  # in which zone?
    assert "a time in ISO-8601 with a zone" in capsys.readouterr().err
    assert main(["materialize", "--state", str(own.state / "nowhere")]) == 1
