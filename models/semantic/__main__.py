"""``python -m models.semantic FILE --key COLUMN --vector COLUMN --out FOLDER``: semantic IDs of any vectors."""

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from time import monotonic

from models.semantic.artifact import CODES, load_quantizer
from models.semantic.config import QuantizerConfig
from models.semantic.errors import SemanticError
from models.semantic.quantize import quantize
from models.semantic.vectors import VectorFile
from models.system import system_error

_EVERY = 2.0
"""Seconds between lines of progress."""
_HELP = {
    "kind": "rq (residual codes), fsq (rounded dimensions) or rq_fsq (both)",
    "levels": "residual codes of a key",
    "codes": "codes of a level; a tenth of the keys at most",
    "fsq_levels": "levels of a rounded dimension",
    "fsq_width": "most rounded dimensions",
    "iterations": "of k-means, for each level",
    "seed": "of all that is random",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns 0, or 1 after printing an error that says what to do."""
    parser = ArgumentParser(
        prog="python -m models.semantic", description="Give every key of a Parquet file with vectors a semantic ID."
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="Parquet, one row per key")
    parser.add_argument("--key", required=True, metavar="COLUMN", help="integers or text, each once")
    parser.add_argument("--vector", required=True, metavar="COLUMN", help="lists of equally many numbers; null = none")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="a new folder")
    parser.add_argument("--start", type=Path, metavar="FOLDER", help="an earlier one: codes keep their meaning")
    for field in fields(QuantizerConfig):
        name = f"--{field.name.replace('_', '-')}"
        kind = str if field.name == "kind" else int
        parser.add_argument(name, type=kind, default=field.default, help=f"{_HELP[field.name]}; default: %(default)s")
    chosen = parser.parse_args(arguments)
    try:
        config = QuantizerConfig(**{field.name: getattr(chosen, field.name) for field in fields(QuantizerConfig)})
        start = load_quantizer(chosen.start) if chosen.start else None
        file = VectorFile(chosen.file, chosen.key, chosen.vector)
        found = quantize(file, config, chosen.out, _Progress(), start)
    except SemanticError as error:
        print(error, file=sys.stderr)
        return 1
    except Exception as error:
        message = system_error(error)
        if message is None:
            raise
        print(message, file=sys.stderr)
        return 1
    print(f"{found['keys']:,} keys, {found['without_vector']:,} without a vector")
    print(f"{found['bytes_per_key']} bytes a key, {found['smaller']} times smaller than {found['size']} float32")
    for place, (perplexity, dead) in enumerate(zip(found["perplexity"], found["dead"], strict=True)):
        print(f"level {place + 1}: perplexity {perplexity}, {dead} of {config.codes:,} codes unused")
    if found["scalar_perplexity"] is not None:
        print(f"rounded: mean perplexity {found['scalar_perplexity']} of {config.fsq_levels} levels")
    if config.residual and found["keys"] < 10 * config.codes:
        print(f"warning: fewer than 10 keys for a code: it is nearly an ID. Use --codes {max(2, found['keys'] // 10)}")
    print(f"{chosen.out}: {CODES} has the codes, the other files are the quantizer")
    return 0


class _Progress:
    """Prints a line about what is done at most every two seconds."""

    def __init__(self) -> None:
        self._last = monotonic()

    def __call__(self, what: str, done: int, whole: int) -> None:
        if (now := monotonic()) - self._last >= _EVERY:
            self._last = now
            print(f"{what}: {done:,} of {whole:,}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
