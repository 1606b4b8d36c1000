"""deploy/kustomize: each ServiceAccount has one Role, with what its runs need."""

from tests.standins.manifests import access

ACCOUNTS = ["act", "deploy", "monitor", "train"]


def test_each_account_has_one_role_of_its_name() -> None:
    found = access("base")
    for kind in ("ServiceAccount", "Role", "RoleBinding"):
        names = sorted(one["metadata"]["name"] for one in found if one["kind"] == kind)
        assert names == [f"heliograph-{account}" for account in ACCOUNTS]
    for binding in (one for one in found if one["kind"] == "RoleBinding"):
        name = binding["metadata"]["name"]
        assert (binding["roleRef"]["name"], [one["name"] for one in binding["subjects"]]) == (name, [name])


def rights(name: str) -> dict[str, set[str]]:
    """Verbs by resource that change or read what serves."""
    (role,) = [one for one in access("base") if (one["kind"], one["metadata"]["name"]) == ("Role", name)]
    rules = [rule for rule in role["rules"] if rule["apiGroups"] == ["serving.kserve.io"]]
    return {resource: set(rule["verbs"]) for rule in rules for resource in rule["resources"]}


def test_who_only_looks_or_trains_cannot_change_what_serves() -> None:
    assert rights("heliograph-monitor") == rights("heliograph-train") == {}
    assert rights("heliograph-act") == {"inferenceservices": {"get", "list", "watch", "patch"}}
    everything = {"get", "list", "watch", "create", "patch", "delete"}
    assert rights("heliograph-deploy") == {"inferenceservices": everything}
    for document in access("overlays/standard"):
        assert "*" not in str(document.get("rules", ""))
