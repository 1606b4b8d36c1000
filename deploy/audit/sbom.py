"""The bill of materials, in CycloneDX's JSON: every pinned package, with its license, and the images that hold it."""

from collections.abc import Collection, Iterable, Mapping
from importlib.metadata import PackageNotFoundError, requires

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement

from deploy.audit.licenses import UNKNOWN
from deploy.images.pins import OURS, canonical

IMAGES = "heliograph:images"
"""Property of a component: the locks of the images that hold it, joined by commas."""


def bill(
    version: str, pinned: Mapping[str, str], licenses: Mapping[str, str], images: Mapping[str, Collection[str]]
) -> str:
    """The document of Heliograph's version: package to version and to license, and the packages of each image.

    What no image holds has the scope ``excluded``. Edges are those of the metadata of what is installed.
    """
    factory = LicenseFactory()
    root = Component(name=OURS, version=version, type=ComponentType.APPLICATION, bom_ref=OURS)
    root.licenses.add(factory.make_from_string("Apache-2.0"))
    parts = {}
    for name, one in sorted(pinned.items()):
        held = [image for image, names in images.items() if name in names]
        url = PackageURL("pypi", None, name, one)
        scope = ComponentScope.REQUIRED if held else ComponentScope.EXCLUDED
        part = Component(name=name, version=one, purl=url, bom_ref=str(url), scope=scope)
        if licenses.get(name, UNKNOWN) != UNKNOWN:
            said = licenses[name]
            # The factory takes no expression with a name of our own (LicenseRef-...).
            part.licenses.add(LicenseExpression(said) if " " in said else factory.make_from_string(said))
        if held:
            part.properties.add(Property(name=IMAGES, value=",".join(held)))
        parts[name] = part
    bom = Bom(components=parts.values())
    bom.metadata.component = root
    for name, part in {OURS: root, **parts}.items():
        bom.register_dependency(part, [parts[need] for need in sorted(_needs(name)) if need in parts and need != name])
    return JsonV1Dot6(bom).output_as_string(indent=2)


def _needs(name: str) -> set[str]:
    """What an installed package requires on this platform; for Heliograph itself, with any of its extras."""
    try:
        lines: Iterable[str] = requires(name) or ()
    except PackageNotFoundError:
        return set()
    wanted = [Requirement(line) for line in lines]
    if name != OURS:
        wanted = [one for one in wanted if one.marker is None or one.marker.evaluate({"extra": ""})]
    return {canonical(one.name) for one in wanted}
