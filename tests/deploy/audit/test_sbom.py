"""The bill of materials, read back by CycloneDX's own library."""

import json

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import ComponentScope

from deploy.audit.sbom import IMAGES, bill


def test_packages_have_versions_licenses_images_and_edges() -> None:
    pinned = {"requests": "2.0", "urllib3": "3.0", "not-installed": "1"}
    licenses = {"requests": "Apache-2.0", "urllib3": "MIT AND LicenseRef-BSD", "not-installed": "unknown"}
    text = bill("9", pinned, licenses, {"serve": {"requests", "urllib3"}, "train": {"requests"}})
    bom = Bom.from_json(json.loads(text))  # type: ignore[attr-defined]
    assert bom is not None
    assert (bom.metadata.component.name, bom.metadata.component.version) == ("heliograph", "9")
    found = {one.name: one for one in bom.components}
    assert {name: one.version for name, one in found.items()} == pinned
    assert str(found["requests"].purl) == "pkg:pypi/requests@2.0"
    assert [one.id for one in found["requests"].licenses] == ["Apache-2.0"]
    assert [one.value for one in found["urllib3"].licenses] == ["MIT AND LicenseRef-BSD"]
    assert not found["not-installed"].licenses
    assert found["not-installed"].scope == ComponentScope.EXCLUDED
    assert found["requests"].scope == ComponentScope.REQUIRED
    assert [(one.name, one.value) for one in found["requests"].properties] == [(IMAGES, "serve,train")]
    edges = {edge["ref"]: edge.get("dependsOn", []) for edge in json.loads(text)["dependencies"]}
    assert edges["pkg:pypi/requests@2.0"] == ["pkg:pypi/urllib3@3.0"]
    assert edges["heliograph"] == ["pkg:pypi/urllib3@3.0"]


def test_an_empty_bill_is_one() -> None:
    found = json.loads(bill("9", {}, {}, {}))
    assert (found["bomFormat"], found.get("components", [])) == ("CycloneDX", [])
