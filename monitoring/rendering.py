"""HTML pages from the package's templates: every text is escaped, a name that a template lacks is an error."""

import json
from collections.abc import Mapping
from typing import Any

from models.time_units import moment


def render(template: str, view: Mapping[str, Any]) -> str:
    """Render a file of ``monitoring/templates`` with the variables of ``view``."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("monitoring"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": number,
        "percent": percent,
        "duration": duration,
        "minute": lambda time: moment(time).strftime("%Y-%m-%d %H:%M UTC"),
        "pretty": lambda value: json.dumps(value, indent=1, ensure_ascii=False),
    }
    return environment.get_template(template).render(view)


def number(value: float | None, digits: int = 4) -> str:
    """A number, or a dash for None."""
    return "–" if value is None else f"{value:.{digits}f}"


def percent(value: float | None) -> str:
    """A share in percent, or a dash for None."""
    return "–" if value is None else f"{value:.1%}"


def duration(seconds: float | None) -> str:
    """Seconds in minutes and seconds, or a dash for None."""
    if seconds is None:
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
