"""``build_ranker``: the one place where a configuration becomes a ranker of its family."""

from models.configs.model import ModelConfig
from models.graph.schema import GraphSchema
from models.nn.encoding import Encoding
from models.nn.family import Family
from models.nn.model import Ranker
from models.nn.sequential import SequentialRanker


def build_ranker(config: ModelConfig, schema: GraphSchema, encoding: Encoding) -> Family:
    """An untrained ranker of ``config.family``. Raises ConfigError if a key of ``config`` is invalid."""
    if config.family == "sequence":
        return SequentialRanker(config, schema, encoding)
    return Ranker(config, schema, encoding)
