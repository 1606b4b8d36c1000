"""Common neighbours as a statement: how close the two ends of an edge within one node type are (LiGNN).

Written in DuckDB's dialect, in the subset that Spark shares. Out of core: of an edge's two ends the one with fewer
neighbours is expanded, these are joined with the other's, and nothing but a count is kept.
"""

from collections.abc import Sequence

from models.sql import identifier


def common_neighbours(edge: str, others: Sequence[str] = ()) -> str:
    """SELECT source, target, time, row of ``edge_<edge>`` with weight = common / (sqrt(degree) * sqrt(degree)).

    ``others``: columns that come along.

    Both are those of the edge's own moment: they count edges STRICTLY before its time, so no weight knows of anything
    later. Neighbours are distinct, in either direction; nobody is a neighbour of oneself. 0 where nothing is common.
    """
    along = "".join(f", edge.{identifier(column)} AS {identifier(column)}" for column in others)
    return f"""
        WITH pairs AS (
            SELECT least(source, target) AS one, greatest(source, target) AS other, min(time) AS time
            FROM "edge_{edge}" WHERE source <> target GROUP BY least(source, target), greatest(source, target)
        ), adjacent AS (
            SELECT one AS node, other AS neighbour, time FROM pairs
            UNION ALL SELECT other AS node, one AS neighbour, time FROM pairs
        ), asked AS (
            SELECT DISTINCT least(source, target) AS one, greatest(source, target) AS other, time FROM "edge_{edge}"
        ), changes AS (
            SELECT node, time, CAST(sum(gained) AS BIGINT) AS gained FROM (
                SELECT node, time, 1 AS gained FROM adjacent
                UNION ALL SELECT one AS node, time, 0 AS gained FROM asked
                UNION ALL SELECT other AS node, time, 0 AS gained FROM asked
            ) AS moments GROUP BY node, time
        ), degrees AS (
            SELECT node, time, CAST(sum(gained) OVER (
                PARTITION BY node ORDER BY time ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) AS BIGINT) AS degree FROM changes
        ), measured AS (
            SELECT asked.one, asked.other, asked.time,
                CASE WHEN of_one.degree <= of_other.degree THEN asked.one ELSE asked.other END AS fewer,
                CASE WHEN of_one.degree <= of_other.degree THEN asked.other ELSE asked.one END AS more,
                sqrt(CAST(of_one.degree AS DOUBLE)) * sqrt(CAST(of_other.degree AS DOUBLE)) AS scale
            FROM asked
            JOIN degrees AS of_one ON of_one.node = asked.one AND of_one.time = asked.time AND of_one.degree > 0
            JOIN degrees AS of_other
                ON of_other.node = asked.other AND of_other.time = asked.time AND of_other.degree > 0
        ), weighed AS (
            SELECT measured.one, measured.other, measured.time, CAST(count(*) AS DOUBLE) / min(measured.scale) AS weight
            FROM measured
            JOIN adjacent AS near ON near.node = measured.fewer AND near.time < measured.time
            JOIN adjacent AS shared ON shared.node = measured.more AND shared.neighbour = near.neighbour
                AND shared.time < measured.time
            GROUP BY measured.one, measured.other, measured.time
        )
        SELECT edge.source, edge.target, edge.time, edge.row,
            CAST(coalesce(weighed.weight, 0) AS FLOAT) AS weight{along}
        FROM "edge_{edge}" AS edge LEFT JOIN weighed ON weighed.one = least(edge.source, edge.target)
            AND weighed.other = greatest(edge.source, edge.target) AND weighed.time = edge.time"""
