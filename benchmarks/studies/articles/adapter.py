"""Adapter ``articles``: a log of clicks, to which articles that the reader passed over are drawn as negatives.

Reads ``readers.parquet``, ``articles.parquet`` and ``clicks.parquet``. Options: ``negatives``, for each click (4);
``drawn``: uniform, or popular = in proportion to the clicks of the last six hours; ``seed``.

- A negative is drawn from the articles that are alive at the click's time, and that its reader has not clicked until
  the end of the session. It becomes a row of the impressions with the click's own time, reader and device.
- It is no edge: nobody knows whether the reader saw it.
- Outcomes settle when the reader leaves the article.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from feature_repo.sources.errors import SourceError
from feature_repo.sources.files import read_once
from models.spec import Spec
from models.spec.base import Value
from models.time_units import HOUR

NAME = "articles"
ALIVE = 36 * HOUR
"""Microseconds after its publication in which an article is a candidate."""
RECENT = 6 * HOUR
DRAWN = ("uniform", "popular")
_DRAWS = 5
"""Articles drawn for every negative that is wanted: some are no candidates, some come twice."""
NEGATIVES = 4
_DEFAULTS: dict[str, Value] = {"negatives": NEGATIVES, "drawn": "uniform", "seed": 7}

TABLES: dict[str, tuple[str, ...]] = {
    "impressions": (
        *("impression_id", "time", "settled_time", "user_id", "article_id", "surface"),
        *("age_hours_log", "clicked", "read_seconds"),
    ),
    "readers": ("user_id", "valid_from", "region", "subscriber"),
    "articles": ("article_id", "valid_from", "section", "title", "words_log", "body_vector"),
}
_BEFORE_EVERYTHING = pd.Timestamp("2020-01-01", tz="UTC")


def check_options(options: Mapping[str, Value]) -> None:
    """Raise SourceError for options other than ``negatives``, ``drawn`` and ``seed``, or invalid values."""
    if unknown := sorted(set(options) - set(_DEFAULTS)):
        raise SourceError(f"source.options: expected {', '.join(_DEFAULTS)}; found {unknown[0]!r}")
    if (drawn := options.get("drawn", DRAWN[0])) not in DRAWN:
        raise SourceError(f"source.options.drawn: expected one of {', '.join(DRAWN)}; found {drawn!r}")
    for name, least in (("negatives", 1), ("seed", 0)):
        value = options.get(name, least)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise SourceError(f"source.options.{name}: expected a whole number of {least} or more; found {value!r}")


def read(spec: Spec, data: Path | None) -> dict[str, pd.DataFrame]:
    """Every table of TABLES. Raises SourceError without a folder that has the three files."""
    check_options(spec.source.options)
    readers, articles, clicks = (_read(data, name) for name in ("readers", "articles", "clicks"))
    articles = articles.sort_values(["published", "article_id"], ignore_index=True)
    clicks = clicks.sort_values(["time", "user_id", "article_id"], ignore_index=True)
    known = articles.assign(valid_from=articles["published"], words_log=np.log(articles["words"]))
    return {
        "impressions": _impressions(clicks, articles, {**_DEFAULTS, **spec.source.options}),
        "readers": readers.assign(valid_from=_BEFORE_EVERYTHING)[list(TABLES["readers"])],
        "articles": known[list(TABLES["articles"])],
    }


def _read(data: Path | None, name: str) -> pd.DataFrame:
    path = (data or Path()) / f"{name}.parquet"
    if data is None or not path.is_file():
        raise SourceError(f"articles: expected a folder with {name}.parquet; found {data or 'none'}")
    return read_once(path, "all columns", lambda: pq.read_table(path)).to_pandas()


def _impressions(clicks: pd.DataFrame, articles: pd.DataFrame, options: Mapping[str, Value]) -> pd.DataFrame:
    """Every click and its negatives, by time."""
    place = pd.Series(np.arange(len(articles)), index=articles["article_id"]).loc[clicks["article_id"]].to_numpy()
    negatives = drawn(
        _microseconds(articles["published"]),
        clicks.assign(place=place, time=_microseconds(clicks["time"])),
        int(options["negatives"]),
        options["drawn"] == "popular",
        np.random.default_rng(int(options["seed"])),
    )
    click, column = np.nonzero(negatives >= 0)
    row = np.concatenate([np.arange(len(clicks)), click])
    order = np.argsort(row, kind="stable")
    shown = np.concatenate([place, negatives[click, column]])[order]
    row, clicked = row[order], np.concatenate([np.ones(len(clicks)), np.zeros(len(click))])[order].astype(np.int64)
    of = clicks.iloc[row].reset_index(drop=True)
    age = (_microseconds(of["time"]) - _microseconds(articles["published"])[shown]) / HOUR
    return pd.DataFrame(
        {
            "impression_id": np.arange(len(row)),
            "time": of["time"],
            "settled_time": of["time"] + pd.to_timedelta(of["read_seconds"], unit="s"),
            "user_id": of["user_id"],
            "article_id": articles["article_id"].to_numpy()[shown],
            "surface": of["device"],
            "age_hours_log": np.log1p(np.maximum(age, 0)),
            "clicked": clicked,
            "read_seconds": of["read_seconds"].to_numpy() * clicked,
        }
    )


def drawn(
    published: np.ndarray, clicks: pd.DataFrame, wanted: int, popular: bool, random: np.random.Generator
) -> np.ndarray:
    """The negatives of each click: (clicks, wanted) int64 places of articles, -1 where there are too few candidates.

    published: (articles,) int64 microseconds, ascending; ``clicks``: by time, with user_id, session_id, time and
    ``place``, that of the article.
    """
    time, place = clicks["time"].to_numpy(), clicks["place"].to_numpy()
    shape = (len(clicks), wanted * _DRAWS)
    low, high = np.searchsorted(published, time - ALIVE), np.searchsorted(published, time)
    found = low[:, None] + (random.random(shape) * (high - low)[:, None]).astype(np.int64)
    if popular:
        first, end = np.searchsorted(time, time - RECENT), np.searchsorted(time, time)
        recent = first[:, None] + (random.random(shape) * (end - first)[:, None]).astype(np.int64)
        found = np.where((end > first)[:, None], place[recent.clip(max=max(len(place) - 1, 0))], found)
    fine = (found >= low[:, None]) & (found < high[:, None]) & ~_clicked(clicks, found, len(published))
    found = np.where(fine, found, -1)
    order = np.argsort(found, axis=1, kind="stable")  # of one article, the first draw counts
    ordered = np.take_along_axis(found, order, axis=1)
    again = np.zeros(shape, dtype=bool)
    np.put_along_axis(again, order[:, 1:], ordered[:, 1:] == ordered[:, :-1], axis=1)
    usable = (found >= 0) & ~again
    first_ones = np.argsort(~usable, axis=1, kind="stable")[:, :wanted]
    return np.where(np.take_along_axis(usable, first_ones, axis=1), np.take_along_axis(found, first_ones, axis=1), -1)


def _clicked(clicks: pd.DataFrame, found: np.ndarray, articles: int) -> np.ndarray:
    """Whether the reader of each click has clicked the articles ``found`` until the end of the session: its shape."""
    end = clicks.groupby("session_id")["time"].transform("max").to_numpy()
    pair = clicks["user_id"].to_numpy() * articles + clicks["place"].to_numpy()
    first = pd.Series(clicks["time"].to_numpy()).groupby(pair).min()
    wanted = clicks["user_id"].to_numpy()[:, None] * articles + found
    at = np.searchsorted(first.index.to_numpy(), wanted).clip(max=max(len(first) - 1, 0))
    same = first.index.to_numpy()[at] == wanted
    return np.asarray(same & (first.to_numpy()[at] <= end[:, None]))


def _microseconds(times: pd.Series) -> np.ndarray:
    return times.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy().astype("datetime64[us]").view(np.int64)
