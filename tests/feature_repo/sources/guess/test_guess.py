"""``init`` on folders of different shapes: what it writes passes ingest, or it says what it could not decide."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from feature_repo.commands import main
from feature_repo.sources.adapters import check
from feature_repo.sources.errors import SourceError
from feature_repo.sources.guess import guess
from feature_repo.sources.guess.files import files_of_tables
from feature_repo.sources.ingest import ingest
from models.spec import Spec, load_spec

DAYS, ROWS = 10, 200
START = pd.Timestamp("2026-03-01", tz="UTC")


def times(rows: int = ROWS) -> pd.Series:
    return pd.Series(START + pd.to_timedelta(np.linspace(0, DAYS * 86_400 - 1, rows).round(), unit="s"))


def kuairand_like(folder: Path) -> None:
    """Milliseconds, whole keys, an item snapshot without dates, no key of an impression."""
    draws = np.random.default_rng(1)
    shown = pd.DataFrame({"user_id": draws.integers(0, 20, ROWS) + 2**62, "video_id": draws.integers(0, 9, ROWS)})
    shown["time_ms"] = times().astype("int64") // 10**6
    shown["is_click"] = draws.integers(0, 2, ROWS)
    shown["play_time_ms"] = draws.integers(0, 9_000, ROWS)
    shown["tab"] = draws.integers(0, 3, ROWS)
    (folder / "log").mkdir()
    shown[:90].to_csv(folder / "log" / "part1.csv", index=False)
    shown[90:].to_csv(folder / "log" / "part2.csv", index=False)
    videos = pd.DataFrame({"video_id": range(9), "video_type": ["a", "b", "c"] * 3, "likes": range(9), "length": 1.5})
    videos.assign(length=np.arange(9) / 2).to_csv(folder / "videos.csv", index=False)


def articles_like(folder: Path) -> None:
    """Parquet, text keys with leading zeros, times with a zone, vectors and titles."""
    draws = np.random.default_rng(2)
    readers, articles = [f"{one:03d}" for one in range(20)], [f"a-{one}" for one in range(9)]
    shown = pd.DataFrame({"impression_id": [f"i{one}" for one in range(ROWS)], "shown_at": times()})
    shown["reader"], shown["article"] = draws.choice(readers, ROWS), draws.choice(articles, ROWS)
    shown["left_at"] = shown["shown_at"] + pd.Timedelta("20s")
    shown["opened"], shown["device"] = draws.integers(0, 2, ROWS) == 1, "phone"
    shown.to_parquet(folder / "impressions.parquet")
    made = pd.DataFrame({"article": articles, "published": START - pd.Timedelta("9d"), "section": ["x", "y", "z"] * 3})
    made["title"], made["body"] = "a title of words", [list(draws.normal(size=4)) for _ in articles]
    made["title"] += made["article"]
    made.to_parquet(folder / "articles.parquet")
    pd.DataFrame({"reader": readers, "joined": START - pd.Timedelta("9d"), "region": ["n", "s"] * 10}).to_parquet(
        folder / "readers.parquet"
    )


def shop_like(folder: Path) -> None:
    """Naive texts as times, a customer and a product, purchases as further events."""
    draws = np.random.default_rng(3)
    when = times().dt.tz_localize(None).dt.strftime("%Y-%m-%d %H:%M:%S")
    shown = pd.DataFrame({"event_id": range(ROWS), "timestamp": when, "customer_id": draws.integers(0, 20, ROWS)})
    shown["product_id"], shown["channel"] = draws.integers(0, 9, ROWS), draws.choice(["mail", "no"], ROWS)
    shown["clicked"], shown["converted"] = draws.integers(0, 2, ROWS), draws.integers(0, 2, ROWS)
    shown.to_csv(folder / "events.csv", index=False)
    bought = shown.iloc[::7][["timestamp", "customer_id", "product_id"]]
    bought.to_csv(folder / "purchases.csv.gz", index=False)


def films_like(folder: Path) -> None:
    """Semicolons, dates with dots, a file a month, and keys that are named like nothing but another table's column."""
    draws = np.random.default_rng(6)
    rows = pd.DataFrame({"day": times().dt.strftime("%d.%m.%Y"), "user": np.arange(ROWS) // 10})
    rows["slug"], rows["liked"] = draws.permuted(np.tile([f"f{one}" for one in range(10)], (20, 1)), axis=1).ravel(), 1
    rows.loc[draws.random(ROWS) < 0.5, "liked"] = 0
    rows[:90].to_csv(folder / "log-2026-03.csv", index=False, sep=";")
    rows[90:].to_csv(folder / "log-2026-04.csv", index=False, sep=";")
    films = pd.DataFrame({"slug": [f"f{one}" for one in range(10)], "genre": list("aabbccddee")})
    films.to_csv(folder / "movies.csv", index=False, sep="\t")
    prices = pd.DataFrame({"slug": [*films["slug"]] * 2, "since": ["2026-01-01"] * 10 + ["2026-01-02"] * 10})
    prices.assign(price=draws.integers(1, 9, 20)).to_csv(folder / "fares.csv", index=False)


SHAPES = [kuairand_like, articles_like, shop_like, films_like]


def guessed(make, tmp_path: Path) -> tuple[Spec, Path, list[str]]:
    """(Spec, folder, what was said)."""
    raw = tmp_path / "raw"
    raw.mkdir()
    make(raw)
    said = guess(raw, tmp_path / "shop.yaml")
    return load_spec(tmp_path / "shop.yaml"), raw, said


@pytest.mark.parametrize("make", SHAPES, ids=lambda make: make.__name__)
def test_what_it_writes_passes_ingest(make, tmp_path: Path) -> None:
    spec, raw, said = guessed(make, tmp_path)
    assert not [line for line in said if line.startswith("TO DO")]
    assert said[-1].endswith(f", then python -m pipelines check {tmp_path / 'shop.yaml'} --data {raw}")
    check(spec)
    manifest = ingest(spec, raw, tmp_path / "tables")
    assert manifest["tables"]["impressions"]["rows"] == ROWS
    assert not spec.impressions.context  # nothing of an impression is a feature before somebody says so


def test_keys_times_and_outcomes(tmp_path: Path) -> None:
    spec, _, said = guessed(kuairand_like, tmp_path)
    assert spec.impressions.outcomes == ["is_click", "play_time_ms"]
    assert spec.tasks["click"].label == "is_click"
    assert spec.impressions.surfaces == ["0", "1", "2"]
    assert spec.nodes["item"].views["item_profile"].features == {"video_type": "category", "length": "number"}
    assert "Then move it from impressions.outcomes to" in (tmp_path / "shop.yaml").read_text()
    assert "likes: likes  # left out: number, but it may be made of outcomes" in (tmp_path / "shop.yaml").read_text()
    assert [line for line in said if "videos.csv has no date" in line]


def test_vectors_text_and_settled_times(tmp_path: Path) -> None:
    spec, _, _ = guessed(articles_like, tmp_path)
    features = {"section": "category", "title": "text", "body": "vector[4]"}
    assert spec.nodes["item"].views["item_profile"].features == features
    assert spec.nodes["member"].key_type == "string"
    assert spec.source.tables["impressions"].columns["settled_time"] == "left_at"


def test_files_that_differ_by_a_number_are_one_table(tmp_path: Path) -> None:
    spec, _, said = guessed(films_like, tmp_path)
    table = spec.source.tables["impressions"]
    assert (table.files, table.delimiter) == ("log-*-*.csv", ";")
    assert table.times["time"].format == "%d.%m.%Y"
    assert (spec.source.tables["items"].files, spec.source.tables["items"].delimiter) == ("movies.csv", "\t")
    assert "not used: fares" in said  # of the tables with an item's key the one with a row for each


@pytest.mark.parametrize(("name", "header"), [("log-3.csv", "a,b,c"), ("log-x.csv", "a,b"), ("log-3.parquet", "")])
def test_files_of_other_columns_or_names_are_tables_of_their_own(tmp_path: Path, name: str, header: str) -> None:
    for file, first in (("log-1.csv", "a,b"), ("log-2.csv", "a,b"), (name, header)):
        (tmp_path / file).write_text(f"{first}\n1,2\n")
    found = [files for _, files, _ in files_of_tables(tmp_path)]
    assert found == (["log-*.csv", name] if header == "" else sorted(["log-1.csv", "log-2.csv", name]))


@pytest.mark.parametrize(
    ("name", "hours", "settled"),
    [
        ("end_time", 1, True),
        ("endTime", 1, True),
        ("left_at", 0, True),
        ("end_time", -1, False),  # the outcome was known before it was shown: something else ended
        ("send_time", 1, False),
        ("calendar_date", 1, False),
    ],
)
def test_which_time_says_when_an_outcome_was_known(name: str, hours: int, settled: bool, tmp_path: Path) -> None:
    def sent(folder: Path) -> None:
        shop_like(folder)
        shown = pd.read_csv(folder / "events.csv")
        shown[name] = times().add(pd.Timedelta(f"{hours}h")).dt.tz_localize(None)
        shown.to_csv(folder / "events.csv", index=False)

    spec, _, _ = guessed(sent, tmp_path)
    assert (spec.source.tables["impressions"].columns.get("settled_time") == name) == settled


def test_a_row_is_known_from_its_beginning_on(tmp_path: Path) -> None:
    def dated(folder: Path) -> None:
        articles_like(folder)
        made = pd.read_parquet(folder / "articles.parquet").drop(columns="published")
        made = made.assign(valid_to=START + pd.Timedelta("99d"), valid_from=START - pd.Timedelta("9d"))
        made.to_parquet(folder / "articles.parquet")

    spec, _, _ = guessed(dated, tmp_path)
    assert spec.source.tables["items"].columns["valid_from"] == "valid_from"


def test_further_events_become_edges(tmp_path: Path) -> None:
    spec, _, said = guessed(shop_like, tmp_path)
    assert spec.edges["purchases"].table == "purchases"
    assert spec.tasks["clicked"].label == "clicked"
    assert spec.impressions.surfaces == ["mail", "no"]
    assert "assumed: events.csv, column timestamp: the values name no zone: UTC" in said


def test_names_that_only_look_like_outcomes_or_nothing(tmp_path: Path) -> None:
    def shop(folder: Path) -> None:
        shop_like(folder)
        items = pd.DataFrame(
            {"product_id": range(9), "listed": "2026-02-01", "title": [f"red pan{n}" for n in range(9)]}
        )
        items = items.assign(discount=np.arange(9) / 2, display=["a", "b", "c"] * 3, order_count=range(9))
        items.to_csv(folder / "products.csv", index=False)
        people = pd.DataFrame({"customer_id": range(20), "country": ["DE", "FR"] * 10, "expires": "2027-01-01"})
        people.to_csv(folder / "customers.csv", index=False)

    spec, _, said = guessed(shop, tmp_path)
    assert spec.nodes["item"].views["item_profile"].features == {
        "title": "text",
        "discount": "number",
        "display": "category",
    }
    assert spec.nodes["member"].views["member_profile"].features == {"country": "category"}
    assert spec.source.tables["items"].columns["valid_from"] == "listed"
    assert [line for line in said if "customers.csv has no date but expires, so its rows count" in line]


def test_what_it_could_not_decide(tmp_path: Path) -> None:
    def odd(folder: Path) -> None:
        draws = np.random.default_rng(4)
        rows = pd.DataFrame({"a_id": draws.integers(0, 9, ROWS), "b_id": draws.integers(0, 9, ROWS)})
        rows.assign(at=times(), rating=draws.integers(1, 6, ROWS)).to_parquet(folder / "things.parquet")

    spec, raw, said = guessed(odd, tmp_path)
    assert "TO DO impressions.member.column: who saw it; candidates: a_id, b_id" in said
    (positive,) = [line for line in said if line.startswith("TO DO source.tables.impressions.columns.positive")]
    assert positive.endswith('CAST("rating" AS DOUBLE) >= 4, CAST("rating" AS DOUBLE) >= 5')
    with pytest.raises(SourceError, match=r"expected the column FILL_IN .*Finish the lines marked TO DO"):
        ingest(spec, raw, tmp_path / "tables")


def test_a_log_of_actions_runs_once_the_positive_is_filled_in(tmp_path: Path) -> None:
    def actions(folder: Path) -> None:
        draws = np.random.default_rng(5)
        keys = draws.integers(-(2**62), 2**62, 29)
        rows = pd.DataFrame({"timestamp": times().astype("int64") // 10**9, "personId": draws.choice(keys[:20], ROWS)})
        rows = rows.assign(contentId=draws.choice(keys[20:], ROWS), eventType=draws.choice(["VIEW", "LIKE"], ROWS))
        rows.to_csv(folder / "my interactions.csv", index=False)
        shared = pd.DataFrame({"contentId": keys[20:], "timestamp": 1_700_000_000, "lang": ["en", "pt", "de"] * 3})
        shared.to_csv(folder / "shared_articles.csv", index=False)

    _, raw, said = guessed(actions, tmp_path)
    (positive,) = [line.partition("candidates: ")[2].split(", ") for line in said if line.startswith("TO DO")]
    file = tmp_path / "shop.yaml"
    file.write_text(file.read_text().replace("positive: FILL_IN", f"positive: {positive[0]}".replace('"', "")))
    manifest = ingest(load_spec(file), raw, tmp_path / "tables")
    assert manifest["tables"]["impressions"]["rows"] == ROWS
    assert manifest["tables"]["items"]["first"].startswith("2023-11-14")


def test_nothing_is_overwritten_and_nothing_half_written(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    _, raw, _ = guessed(shop_like, tmp_path)
    assert main(["init", str(raw), "--out", str(tmp_path / "shop.yaml")]) == 1
    assert "shop.yaml: expected no such file; found one. Name another with --out" in capsys.readouterr().err
    empty = tmp_path / "empty"
    empty.mkdir()
    assert main(["init", str(empty), "--out", str(tmp_path / "new.yaml")]) == 1
    pd.DataFrame({"a": [1], "b": [2]}).to_csv(empty / "one.csv", index=False)
    assert main(["init", str(empty), "--out", str(tmp_path / "new.yaml")]) == 1
    assert "expected a table of what was shown, with a time and the keys" in capsys.readouterr().err
    assert not (tmp_path / "new.yaml").exists()
    assert main(["init", str(raw), "--out", str(tmp_path / "new.yaml")]) == 0
    assert "new.yaml: written; impressions from events.csv, member customer_id" in capsys.readouterr().out
