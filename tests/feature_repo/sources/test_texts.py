"""Features of type text at ingest: missing is not empty, any script is kept, and there is a longest one."""

from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from feature_repo.sources.errors import SourceError
from feature_repo.sources.schemas import LONGEST_TEXT, arrow_types
from feature_repo.sources.tables import write_table
from feature_repo.sources.validate import validate
from models.spec import Spec
from tests.factories import specs
from tests.feature_repo.sources.fakes import DOCUMENT, TABLES, instants, small_tables

COLUMNS = {**TABLES, "posts": ("post_id", "valid_from", "title")}


def spec_of_texts() -> Spec:
    view = {"table": "posts", "features": {"title": "text"}}
    post = {"key": "post_id", "key_type": "string", "views": {"content": view}}
    return specs.spec_of({**DOCUMENT, "nodes": {**DOCUMENT["nodes"], "post": post}})


def tables_of(*titles: object) -> dict[str, pd.DataFrame]:
    posts = [f"p{place}" for place in range(len(titles))]
    times = instants(["2025-12-01"] * len(titles)) if titles else instants(["2025-12-01"])[:0]
    frame = pd.DataFrame({"post_id": pd.Series(posts, dtype=object), "valid_from": times})
    return {**small_tables(), "posts": frame.assign(title=pd.Series(titles, dtype=object))}


def test_texts_come_back_as_they_were(tmp_path: Path) -> None:
    titles = ["", None, "हिन्दी समाचार।", "東京", "a\nb", "x" * LONGEST_TEXT]
    spec = spec_of_texts()
    found, _, spec, _ = validate(spec, tables_of(*titles), COLUMNS)
    write_table(tmp_path, "posts", found["posts"], arrow_types(spec, "posts"))
    assert pq.read_table(tmp_path / "posts.parquet")["title"].to_pylist() == titles


@pytest.mark.parametrize(
    ("title", "message"),
    [
        (
            "x" * (LONGEST_TEXT + 1),
            "column title: expected texts of up to 100,000 characters; found 1 rows",
        ),
        (7, "column title: expected strings; found object"),
        (b"bytes", "column title: expected strings; found object"),
    ],
)
def test_what_is_no_text_is_refused_in_a_sentence(title: object, message: str) -> None:
    with pytest.raises(SourceError, match=message) as error:
        validate(spec_of_texts(), tables_of("a", title), COLUMNS)
    assert len(str(error.value)) < 400


def test_a_table_without_rows_and_one_without_texts() -> None:
    for titles in ((), (None, None)):
        found = validate(spec_of_texts(), tables_of(*titles), COLUMNS).tables["posts"]
        assert len(found) == len(titles)
