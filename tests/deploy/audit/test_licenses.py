"""Licenses are read from metadata, and those that we cannot ship with are named."""

from email.message import Message

import pytest

from deploy.audit.licenses import ACCEPTED, UNKNOWN, Licensed, breaches, installed, license_of
from deploy.images.engine import ROOT
from deploy.images.pins import pins


def metadata(expression: str = "", text: str = "", classifiers: tuple[str, ...] = ()) -> Message:
    found = Message()
    for name, value in (("License-Expression", expression), ("License", text)):
        if value:
            found[name] = value
    for one in classifiers:
        found["Classifier"] = one
    return found


class Strict(Message):
    """Metadata of the backport ``importlib_metadata``, which takes over where a package imports it."""

    def __getitem__(self, name: str) -> str:
        raise KeyError(name)


def test_a_field_may_be_missing_from_metadata_that_is_strict() -> None:
    assert license_of(Strict()) == UNKNOWN


@pytest.mark.parametrize(
    ("given", "license"),
    [
        (metadata("MIT AND PSF-2.0", "Other"), "MIT AND PSF-2.0"),
        (metadata(text="Apache License, Version 2.0"), "Apache-2.0"),
        (metadata(text="MIT License\n\nCopyright (c) A\n"), "MIT"),
        (metadata(text="BSD"), "LicenseRef-BSD"),
        (metadata(text="Copyright A", classifiers=("License :: OSI Approved :: MIT License", "Topic :: X")), "MIT"),
        (
            metadata(
                text="Dual License",
                classifiers=("License :: OSI Approved :: BSD License", "License :: OSI Approved :: ISC License (ISCL)"),
            ),
            "LicenseRef-BSD AND ISC",
        ),
        (metadata(classifiers=("License :: OSI Approved", "License :: OSI Approved :: MIT License")), UNKNOWN),
        (metadata(text="Do what you want"), UNKNOWN),
        (metadata(), UNKNOWN),
    ],
)
def test_a_license_is_read(given: Message, license: str) -> None:
    assert license_of(given) == license


@pytest.mark.parametrize(
    ("license", "fine"),
    [
        ("MIT", True),
        ("GPL-3.0-only OR MIT", True),
        ("GPL-3.0-only AND MIT", False),
        ("MIT AND (GPL-2.0-only OR Apache-2.0)", True),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("GPL-2.0-only WITH Classpath-exception-2.0", False),
        ("AGPL-3.0-or-later", False),
        (UNKNOWN, False),
    ],
)
def test_what_cannot_be_shipped_is_named(license: str, fine: bool) -> None:
    wrong = breaches([Licensed("a", "1", license)], {})
    assert len(wrong) == (not fine)
    assert all(
        line.startswith(f"a 1: expected a license that we can ship it under; found {license}.") for line in wrong
    )


def test_an_acceptance_is_of_one_license_and_needed() -> None:
    accepted = {"a": ("GPL-3.0-only", "why")}
    assert breaches([Licensed("a", "1", "GPL-3.0-only")], accepted) == []
    assert len(breaches([Licensed("a", "2", "AGPL-3.0-only")], accepted)) == 1
    (unneeded,) = breaches([Licensed("a", "3", "MIT")], accepted)
    assert unneeded.startswith("a: MIT is permitted; remove it from ACCEPTED")
    assert breaches([], accepted) == []


def test_all_that_is_pinned_and_installed_can_be_shipped() -> None:
    found = installed(pins([ROOT / "constraints.txt"]))
    assert breaches(found) == []
    assert set(ACCEPTED) <= {one.name for one in found}
    assert installed([]) == []
