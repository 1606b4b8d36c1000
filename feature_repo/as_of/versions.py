"""Node versions: one row per time at which any feature of a node changed, out of Feast."""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from feature_repo.as_of.features import arrow_type, features_as_of
from feature_repo.views.times import TIMESTAMP, column_microseconds
from models.features import VALID_FROM, node_features
from models.spec import Spec
from models.time_units import DAY


def node_versions(store: Any, spec: Spec, node: str) -> pa.Table:
    """Key, ``valid_from`` and every feature of the node, sorted by (key, time), one row per (key, time).

    The last version strictly before t equals what ``get_historical_features`` returns at t. With one view and no TTL
    these are the rows that the offline store pulls. With several views or a TTL, the times of all versions and of their
    expiry are pulled, and the values are Feast's just after each of them.
    """
    key, views = spec.nodes[node].key, spec.nodes[node].views
    pulled = {name: _pull_all(store, name, key) for name in views}
    order = [(key, "ascending"), (VALID_FROM, "ascending")]
    names = [key, VALID_FROM, *(feature.name for feature in node_features(spec, node))]
    if len(views) == 1 and all(view.ttl_days is None for view in views.values()):
        return next(iter(pulled.values())).select(names)
    changes = [table.select([key, VALID_FROM]) for table in pulled.values()]
    for name, view in views.items():
        if view.ttl_days is not None:
            # Feast still shows a row at exactly time + TTL, hence the extra microsecond.
            expiry = pc.add(column_microseconds(pulled[name][VALID_FROM]), view.ttl_days * DAY + 1)
            changes.append(pa.table({key: pulled[name][key], VALID_FROM: expiry.cast(TIMESTAMP)}))
    rows = pa.concat_tables(changes).group_by([key, VALID_FROM]).aggregate([]).sort_by(order)
    # `features_as_of` looks strictly before a time: one microsecond later it sees what is valid from the time on.
    times = column_microseconds(rows[VALID_FROM]).to_numpy() + 1
    features = features_as_of(store, {key: rows[key].to_numpy()}, times, list(views))
    return pa.table({**{name: rows[name] for name in (key, VALID_FROM)}, **features}).select(names)


def _pull_all(store: Any, name: str, key: str) -> pa.Table:
    """All rows of a view, sorted by (key, time); of equal times the one created last."""
    from feast.infra.offline_stores.offline_utils import get_offline_store_from_config

    view = store.get_feature_view(name)
    source = view.batch_source
    job = get_offline_store_from_config(store.config.offline_store).pull_all_from_table_or_query(
        config=store.config,
        data_source=source,
        join_key_columns=[key],
        feature_name_columns=[field.name for field in view.features],
        timestamp_field=source.timestamp_field,
        created_timestamp_column=source.created_timestamp_column or None,
    )
    rows = job.to_arrow()
    columns = {key: rows[key], VALID_FROM: rows[source.timestamp_field].cast(TIMESTAMP)}
    columns |= {field.name: rows[field.name].cast(arrow_type(field.dtype)) for field in view.features}
    order = [(key, "ascending"), (VALID_FROM, "ascending")]
    if not source.created_timestamp_column:
        return pa.table(columns).sort_by(order)
    table = pa.table({**columns, "created": rows[source.created_timestamp_column]})
    table = table.sort_by([*order, ("created", "ascending")])
    superseded = table.select([key, VALID_FROM]).to_pandas().duplicated(keep="last").to_numpy()
    return table.drop_columns("created").filter(pa.array(~superseded))
