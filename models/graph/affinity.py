"""SQL of affinity edges: viewer -> creator, created by engagements within a trailing window.

Written in the subset of DuckDB's dialect that Spark shares (``models.graph.engine``). Runs out of core: one join and
two running sums.
"""

from models.sql import identifier


def affinity(engagement: str, creation: str, *, created_first: bool, within: int, at_least: int, apart: bool) -> str:
    """The SELECT of edges source (viewer), target (creator), time, row, weight from relations ``edge_<name>``.

    Edge type ``engagement`` leads from a viewer to content; ``creation`` connects content and creator, with the content
    as its source if ``created_first``. ``within`` is in microseconds. ``apart`` excludes edges of a node to itself
    (for viewers and creators of one node type).

    An engagement counts from the later of its own time and that of the first creation edge: from then on all of its
    evidence is known. An edge is created at a moment if at least ``at_least`` engagements are in [moment - within,
    moment] and fewer were in the window a microsecond before, [moment - 1 - within, moment - 1]; its weight is their
    number. So an edge depends on nothing later than its own time, and it is visible strictly after that.
    """
    content, creator = ("source", "target") if created_first else ("target", "source")
    window = "PARTITION BY viewer, creator ORDER BY time RANGE BETWEEN"
    return f"""
        WITH created AS (
            SELECT {content} AS content, {creator} AS creator, min(time) AS time
            FROM {identifier(f"edge_{creation}")} GROUP BY {content}, {creator}
        ), evidence AS (
            SELECT engaged.source AS viewer, created.creator AS creator,
                greatest(engaged.time, created.time) AS time, count(*) AS engagements
            FROM {identifier(f"edge_{engagement}")} AS engaged JOIN created ON created.content = engaged.target
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
