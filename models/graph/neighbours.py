"""SQL of common-neighbor weights: the similarity of the two ends of an edge within one node type (LiGNN, 2402.11139).

Written in the subset of DuckDB's dialect that Spark shares (``models.graph.engine``). Runs out of core: the end with
fewer neighbors is expanded and joined with the other end's neighbors, and only counts are kept.
"""

from collections.abc import Sequence

from models.sql import identifier


def common_neighbours(edge: str, others: Sequence[str] = ()) -> str:
    """The SELECT of source, target, time, row of ``edge_<edge>`` with a new weight, and the columns ``others``.

    The weight is common neighbors / (sqrt(degree of one end) * sqrt(degree of the other)); 0 without common neighbors.
    Both counts use only edges STRICTLY before the edge's own time, so no weight depends on anything later. Neighbors
    are counted once, in either direction; a node is no neighbor of itself.
    """
    along = "".join(f", edge.{identifier(column)} AS {identifier(column)}" for column in others)
    relation = identifier(f"edge_{edge}")
    return f"""
        WITH pairs AS (
            SELECT least(source, target) AS one, greatest(source, target) AS other, min(time) AS time
            FROM {relation} WHERE source <> target GROUP BY least(source, target), greatest(source, target)
        ), adjacent AS (
            SELECT one AS node, other AS neighbour, time FROM pairs
            UNION ALL SELECT other AS node, one AS neighbour, time FROM pairs
        ), queried AS (
            SELECT DISTINCT least(source, target) AS one, greatest(source, target) AS other, time FROM {relation}
        ), changes AS (
            SELECT node, time, CAST(sum(gained) AS BIGINT) AS gained FROM (
                SELECT node, time, 1 AS gained FROM adjacent
                UNION ALL SELECT one AS node, time, 0 AS gained FROM queried
                UNION ALL SELECT other AS node, time, 0 AS gained FROM queried
            ) AS moments GROUP BY node, time
        ), degrees AS (
            SELECT node, time, CAST(sum(gained) OVER (
                PARTITION BY node ORDER BY time ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) AS BIGINT) AS degree FROM changes
        ), measured AS (
            SELECT queried.one, queried.other, queried.time,
                CASE WHEN of_one.degree <= of_other.degree THEN queried.one ELSE queried.other END AS fewer,
                CASE WHEN of_one.degree <= of_other.degree THEN queried.other ELSE queried.one END AS more,
                sqrt(CAST(of_one.degree AS DOUBLE)) * sqrt(CAST(of_other.degree AS DOUBLE)) AS scale
            FROM queried
            JOIN degrees AS of_one ON of_one.node = queried.one AND of_one.time = queried.time AND of_one.degree > 0
            JOIN degrees AS of_other
                ON of_other.node = queried.other AND of_other.time = queried.time AND of_other.degree > 0
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
        FROM {relation} AS edge LEFT JOIN weighed ON weighed.one = least(edge.source, edge.target)
            AND weighed.other = greatest(edge.source, edge.target) AND weighed.time = edge.time"""
