"""Stamps: nothing online is stamped later than just after the newest row that it was made from."""

import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from feature_repo.graph_end import end_of_graph
from feature_repo.materialise import materialize
from feature_repo.packed.keys import view_prefix
from feature_repo.packed.layout import layout_of
from feature_repo.packed.pack import unpack
from feature_repo.quality import last_seen, read_last_run
from feature_repo.retrieve import retrieve
from feature_repo.sources import end_of_data
from feature_repo.sources.errors import TableError
from feature_repo.sources.ingest import ingest
from feature_repo.stores.online.bulk import rows_of
from feature_repo.views.pushed import RECENT
from models.clock import now
from models.features import online_views
from models.graph.build import build_graph
from models.graph.store import TemporalGraph
from models.spec import Spec
from models.time_units import MICROSECOND, SECOND, microseconds, moment
from tests.feature_repo import tiny
from tests.feature_repo.sources.fakes import install_adapter, small_spec, small_tables

FAR = microseconds(pd.Timestamp("2199-01-01", tz="UTC"))


class Ends(NamedTuple):
    """How each table ends: days after the last impression, except the delay in days after it is shown."""

    settled: float = 0.1
    members: float = -1.0
    follows: float = -1.0
    visits: float = -1.0
    """Rows of ``follows`` that its edge does not keep."""
    ahead: str = ""
    """The table whose last row is five minutes ahead of the clock, which the tolerance allows."""


def tables_of(ends: Ends) -> dict[str, pd.DataFrame]:
    tables = small_tables()
    shown, last = tables["impressions"], tables["impressions"]["time"].max()
    shown.loc[0, "settled_time"] = last + timedelta(days=ends.settled)
    times = {"members": [(1, ends.members)], "follows": [(1, ends.follows), (2, ends.visits)]}
    for table, rows in times.items():
        column = "valid_from" if table == "members" else "time"
        for row, days in rows:
            tables[table].loc[row, column] = last + timedelta(days=days)
    if ends.ahead:
        column = {"members": "valid_from", "follows": "time", "impressions": "settled_time"}[ends.ahead]
        tables[ends.ahead].loc[0, column] = pd.Timestamp(moment(now() + 300 * SECOND))
    return tables


def newest(times: pd.Series) -> int:
    return microseconds(times.max())


def newest_in_vectors(tables: dict[str, pd.DataFrame]) -> int:
    """The newest row among clicks, follows and profiles, which the graph has."""
    shown, follows = tables["impressions"], tables["follows"]
    kept = follows[(follows["kind"] == "follow") & follows["followed_id"].notna()]
    return max(
        newest(shown.loc[shown["clicked"] == 1, "settled_time"]),
        newest(kept["time"]),
        newest(tables["members"]["valid_from"]),
    )


def open_product(spec: Spec, tables: dict[str, pd.DataFrame], folder: Path) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        install_adapter(patch, lambda *_: tables)
        ingest(spec, None, folder / "tables")
    store = tiny.store_of(spec, folder / "state")
    tiny.apply_tables(store, spec, folder / "tables", folder / "state")
    return store


def online_times(store: Any, view: str) -> list[int]:
    rows = dict(rows_of(store).dump(view_prefix(store.project, view)))
    return unpack(layout_of(store.get_feature_view(view)), list(rows.values())).event_time.tolist()


DAYS = st.floats(-1.0, 30.0)


@settings(deadline=None, max_examples=6)
@given(
    st.builds(Ends, st.floats(0.0, 30.0), DAYS, DAYS, DAYS, st.sampled_from(["", "members", "follows", "impressions"])),
    st.sampled_from([None, 0, FAR]),
)
@example(Ends(), 0)
@example(Ends(settled=20.0), FAR)
@example(Ends(visits=20.0), 0)
@example(Ends(ahead="members"), 0)
def test_no_stamp_is_later_than_its_data(ends: Ends, until: int | None) -> None:
    spec, tables = small_spec(), tables_of(ends)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = open_product(spec, tables, folder)
        end = end_of_data(folder / "tables")
        everything = [tables["impressions"]["settled_time"], tables["follows"]["time"], tables["members"]["valid_from"]]
        assert end == max(map(newest, everything)) + 1
        materialize(store, spec, end if until == 0 else until)
        for view in [*online_views(spec), RECENT]:
            found = store.get_feature_view(view)
            source = found.batch_source
            last = newest(pq.read_table(source.path)[source.timestamp_field].to_pandas())
            assert max(online_times(store, view)) == last
            assert [stop for _, stop in found.materialization_intervals] == [moment(last)]
            assert read_last_run(store, view).seen == last + 1  # type: ignore[union-attr]
        assert last_seen(store) <= end
        retrieve(store, spec, folder / "tables", folder / "set")
        build_graph(spec, folder / "tables", folder / "set", folder / "graph")
        as_of = end_of_graph(spec, TemporalGraph.load(folder / "graph"), folder / "tables")
        assert as_of == newest_in_vectors(tables) + 1


def test_a_graph_of_nothing_has_no_end(tmp_path: Path) -> None:
    spec, tables = small_spec(), small_tables()
    open_product(spec, tables, tmp_path)
    graph = TemporalGraph({}, {}, {}, None, {})  # type: ignore[arg-type]
    bare = spec.model_copy(update={"edges": {}})
    with pytest.raises(TableError, match="expected an edge or a node version in the graph; found none"):
        end_of_graph(bare, graph, tmp_path / "tables")
    assert moment(end_of_data(tmp_path / "tables")) - MICROSECOND == tables["impressions"]["settled_time"].max()
