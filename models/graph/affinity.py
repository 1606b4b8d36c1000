"""Affinity as a statement: edges viewer -> creator that come true by engagements within a trailing window.

Written in DuckDB's dialect, in the subset that Spark shares. Out of core: one join and two running sums.
"""


def affinity(engagement: str, creation: str, *, created_first: bool, within: int, at_least: int, apart: bool) -> str:
    """SELECT the edges source (viewer), target (creator), time, row, weight, of relations ``edge_<name>``.

    ``engagement`` leads from a viewer to content; ``creation`` joins content and creator, content at its source if
    ``created_first``. ``within``: microseconds; ``apart``: nobody has affinity to oneself (where both are of one type).

    An engagement counts from the later of its own time and that of the (first) creation edge: from then on all its
    evidence is known. An edge comes true at a moment if ``at_least`` engagements lie in [moment - within, moment] and
    fewer did a microsecond before, when the window was [moment - 1 - within, moment - 1]; its weight is their number.
    So an edge rests on nothing later than its own time, and edges are visible strictly after theirs.
    """
    content, creator = ("source", "target") if created_first else ("target", "source")
    window = "PARTITION BY viewer, creator ORDER BY time RANGE BETWEEN"
    return f"""
        WITH created AS (
            SELECT {content} AS content, {creator} AS creator, min(time) AS time
            FROM "edge_{creation}" GROUP BY {content}, {creator}
        ), evidence AS (
            SELECT engaged.source AS viewer, created.creator AS creator,
                greatest(engaged.time, created.time) AS time, count(*) AS engagements
            FROM "edge_{engagement}" AS engaged JOIN created ON created.content = engaged.target
            {"WHERE engaged.source <> created.creator" if apart else ""}
            GROUP BY engaged.source, created.creator, greatest(engaged.time, created.time)
        ), counted AS (
            SELECT viewer, creator, time,
                CAST(sum(engagements) OVER ({window} {within} PRECEDING AND CURRENT ROW) AS BIGINT) AS engagements,
                CAST(coalesce(sum(engagements) OVER ({window} {within + 1} PRECEDING AND 1 PRECEDING), 0) AS BIGINT)
                    AS before
            FROM evidence
        )
        SELECT viewer AS source, creator AS target, time,
            row_number() OVER (ORDER BY time, viewer, creator) - 1 AS row, CAST(engagements AS FLOAT) AS weight
        FROM counted WHERE engagements >= {at_least} AND before < {at_least}"""
