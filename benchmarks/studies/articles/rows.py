"""The rows of the study: what is compared, and what explains the difference."""

from collections.abc import Mapping

from benchmarks.studies.changes import WithIds, WithoutFeatures
from benchmarks.studies.plain_trees import PLAIN
from benchmarks.studies.row import PARTS, Row, states_of

NEWCOMER = "plain LightGBM"
PAIR, NETWORK, TREES = "pair", "network", "trees"
NO_AGE, IDS = ", without age", ", article IDs"
_AGE = WithoutFeatures("^age_hours_log$")


def compared() -> list[Row]:
    """LightGBM as a newcomer runs it, and the product with trees: its parts are lines of their own."""
    return [Row(NEWCOMER, baseline=PLAIN), Row(PAIR, model={"trees": True}, seen=PARTS)]


def explaining() -> list[Row]:
    """One change each: no age of the article, and an ID embedding for each article."""
    network = {"trees": False}
    return [
        Row(NEWCOMER + NO_AGE, baseline=PLAIN, change=_AGE),
        Row(NETWORK + NO_AGE, model=network, change=_AGE),
        Row(NETWORK + IDS, model=network, change=WithIds("article", 4096)),
    ]


def lines(row: Row) -> Mapping[str, dict[str, str] | None]:
    """The pair's row has a line for the product, one for its network alone, one for its trees alone."""
    if row.seen != PARTS:
        return {row.name: None}
    return {PAIR: states_of("product"), NETWORK: states_of("network"), TREES: states_of("trees")}
