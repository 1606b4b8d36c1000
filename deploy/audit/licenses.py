"""Licenses of distributions, read from their metadata, and which of them ours can be shipped with."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib.metadata import distributions
from typing import Any, Protocol

from license_expression import ExpressionError, LicenseSymbol, LicenseWithExceptionSymbol, get_spdx_licensing

from deploy.images.pins import canonical

UNKNOWN = "unknown"
BSD = "LicenseRef-BSD"
"""A BSD license of a variant that the metadata does not name."""
PERMITTED = {
    *("Apache-2.0", "MIT", "MIT-0", "MIT-CMU", "BSD-2-Clause", "BSD-3-Clause", "BSD-3-Clause-Clear", "0BSD", BSD),
    *("ISC", "PSF-2.0", "CNRI-Python", "Zlib", "BSL-1.0", "CC0-1.0", "TCL"),
    "MPL-2.0",  # copyleft by file: its files may be shipped unchanged, as we do
}
"""What an Apache-2.0 distribution may be shipped with."""
_LGPL_IMAGE = "images hold it unchanged, as a package of its own that can be replaced; our code imports it"
ACCEPTED = {
    "psycopg": ("LGPL-3.0-only", _LGPL_IMAGE),
    "psycopg-binary": ("LGPL-3.0-only", _LGPL_IMAGE),
    "yattag": ("LGPL-2.0-or-later", "of cosmic-ray, for development only: nothing that we ship holds it"),
    "huey": (UNKNOWN, "its file LICENSE is the MIT license"),
    "skops": (UNKNOWN, "its file LICENSE is the MIT license"),
    "supervisor": (UNKNOWN, "its file LICENSES.txt is a BSD license that asks for notices in changed files"),
}
"""Package: the license that its metadata says, and why we accept it."""
_SPELLINGS = {
    "Apache-2.0": (
        *(
            "apache",
            "apache 2",
            "apache 2.0",
            "apache license 2.0",
            "apache license version 2.0",
            "apache license, version 2.0",
        ),
        *("apache software license", "https://www.apache.org/licenses/license-2.0"),
    ),
    "MIT": ("mit license",),
    BSD: ("bsd", "bsd license"),
    "BSD-2-Clause": ("2-clause bsd",),
    "BSD-3-Clause": ("3-clause bsd license", "bsd 3-clause license"),
    "ISC": ("isc license", "isc license (iscl)"),
    "PSF-2.0": ("psfl", "python software foundation license"),
    "MPL-2.0": ("mozilla public license 2.0 (mpl 2.0)",),
    "LGPL-2.0-or-later": ("gnu library or lesser general public license (lgpl)",),
}
_ALIASES = {spelling: name for name, spellings in _SPELLINGS.items() for spelling in spellings}
_SPDX = get_spdx_licensing()


class Metadata(Protocol):
    """What is read of a distribution's metadata."""

    def __getitem__(self, name: str) -> str | None:
        """A field, or None."""

    def get_all(self, name: str) -> list[str] | None:
        """A field that may occur several times."""


@dataclass(frozen=True)
class Licensed:
    """A distribution with its SPDX license expression, or ``UNKNOWN``."""

    name: str
    version: str
    license: str


def license_of(metadata: Metadata) -> str:
    """The SPDX expression of a distribution: its own, else of its field License, else of all of its classifiers."""
    lines = _first(metadata, "License").strip().splitlines()
    said = [one.rsplit(" :: ", 1)[-1] for one in metadata.get_all("Classifier") or [] if one.startswith("License :: ")]
    parts = [_expression(one) for one in said]
    found = [_expression(_first(metadata, "License-Expression")), _expression(lines[0] if lines else "")]
    found.append(" AND ".join(dict.fromkeys(parts)) if all(parts) else "")
    return next((one for one in found if one), UNKNOWN)


def _first(metadata: Metadata, name: str) -> str:
    """A field, "" where there is none: for that, the backport that other packages install raises KeyError."""
    return next(iter(metadata.get_all(name) or []), "")


def installed(pinned: Collection[str]) -> list[Licensed]:
    """What this environment holds of the pinned packages, by name."""
    found = {canonical(one.metadata["Name"]): one for one in distributions()}
    return [
        Licensed(name, found[name].version, license_of(found[name].metadata)) for name in sorted({*pinned} & {*found})
    ]


def breaches(found: list[Licensed], accepted: Mapping[str, tuple[str, str]] = ACCEPTED) -> list[str]:
    """A sentence for each distribution that ours cannot be shipped with, and for each entry that nothing needs."""
    wrong = []
    for one in found:
        fine, taken = _permitted(one.license), accepted.get(one.name)
        if fine and taken:
            wrong.append(f"{one.name}: {one.license} is permitted; remove it from ACCEPTED in deploy/audit/licenses.py")
        elif not fine and (not taken or taken[0] != one.license):
            wrong.append(
                f"{one.name} {one.version}: expected a license that we can ship it under; found {one.license}. "
                "Remove it, or name it with a reason in ACCEPTED in deploy/audit/licenses.py"
            )
    return wrong


def _expression(text: str) -> str:
    """SPDX's form of what metadata says, or nothing if it is none."""
    text = " ".join(text.split())
    text = _ALIASES.get(text.lower(), text)
    if text in ("", BSD):
        return text
    try:
        return str(_SPDX.parse(text, validate=True, strict=True))
    except ExpressionError:
        return ""


def _permitted(expression: str) -> bool:
    """Whether all of what AND joins is permitted, and any of what OR joins. Exceptions (WITH) only permit more."""
    return expression != UNKNOWN and _holds(_SPDX.parse(expression))


def _holds(part: Any) -> bool:
    if isinstance(part, LicenseWithExceptionSymbol):
        return _holds(part.license_symbol)
    if isinstance(part, LicenseSymbol):
        return part.key in PERMITTED
    held = [_holds(one) for one in part.args]
    return any(held) if isinstance(part, _SPDX.OR) else all(held)
