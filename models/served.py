"""Reader of the served log: JSON lines in a folder, or Parquet parts at an address (``models.served_parts``)."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models import served_parts
from models.served_rows import COLUMNS, LATEST, lines, row
from models.spec import Spec
from models.time_units import moment

if TYPE_CHECKING:
    import pandas as pd


def model_name(spec: Spec) -> str:
    """The registered model's name, also used in the endpoint's URLs and in each line of the served log."""
    return model_of(spec.name)


def model_of(product: str) -> str:
    """The registered model's name of the product with this name."""
    return f"heliograph-{product.replace('_', '-')}"


def read(
    place: Path | str, since: int | None = None, model: str | None = None, most: int | None = None
) -> "pd.DataFrame":
    """All served candidates, one row each, in order of serving.

    ``place``: a folder with lines, or the address (a text) of parts. ``slate`` numbers the ranked slates; ``position``
    is the rank, from 0; ``impression`` is the id of the impression (``models.impression_ids``); ``as_of`` is the time
    as of which features were read; ``score`` is what was ranked by, ``propensity`` the probability of that item at that
    rank, ``adjustments`` the rules applied (a list as in the response), ``stale`` what was too old (a list). Older logs
    have null as ``impression``, ``propensity``, ``adjustments`` and ``stale``. Times are int64 microseconds UTC;
    missing features are null. ``since`` (microseconds UTC) skips candidates served earlier, ``model`` those of other
    registered models; ``most`` leaves out all but the newest so many. An incomplete line (of a killed server) is
    skipped. A missing or empty place gives an empty frame with ``COLUMNS``. Raises OSError if an address cannot be
    read.
    """
    import pandas as pd

    if isinstance(place, str):
        frame = served_parts.read(place, _day(since), model, most)
        frame = frame[frame["served"] >= since] if since is not None and not frame.empty else frame
    else:
        frame = pd.DataFrame(list(_rows(place, since, model)))
    if frame.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    frame = frame.sort_values("served", kind="stable", ignore_index=True)
    frame = frame if most is None else frame.tail(most).reset_index(drop=True)
    frame["slate"] = frame["slate"].factorize()[0]
    return frame


def _rows(folder: Path, since: int | None, model: str | None) -> Iterator[dict[str, Any]]:
    """The rows of a folder's lines."""
    for path in sorted(folder.glob("*.jsonl")):
        if path.name[:10] >= _day(since):
            with path.open("rb") as stream:
                for line in lines(stream):
                    if (since is None or line["served"] >= since) and (model is None or line.get("model") == model):
                        yield row(line)


def _day(since: int | None) -> str:
    """The day (UTC) of a time: files and parts are named by that on which their slates were served."""
    return "" if since is None else moment(min(since, LATEST)).date().isoformat()
