"""Role-based access control: what a ServiceAccount's token may do, by the Roles and RoleBindings that are stored."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Call:
    """What a request does, in the words of a Role's rules."""

    verb: str
    group: str
    resource: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f'{self.verb} resource "{self.resource}" in API group "{self.group}" in the namespace "{self.namespace}"'


def allowed(
    call: Call,
    account: tuple[str, str],
    roles: Mapping[tuple[str, str], dict[str, Any]],
    bindings: Iterable[dict[str, Any]],
) -> bool:
    """Whether a ServiceAccount (namespace, name) may make a call. ``roles`` by (namespace, name)."""
    for binding in bindings:
        namespace = binding["metadata"]["namespace"]
        subjects = {
            (one.get("namespace", namespace), one["name"])
            for one in binding.get("subjects", [])
            if one["kind"] == "ServiceAccount"
        }
        rules = roles.get((namespace, binding["roleRef"]["name"]), {}).get("rules", [])
        if namespace == call.namespace and account in subjects and any(_permits(rule, call) for rule in rules):
            return True
    return False


def _permits(rule: dict[str, Any], call: Call) -> bool:
    names = rule.get("resourceNames")
    return (
        {call.verb, "*"} & set(rule["verbs"]) != set()
        and {call.group, "*"} & set(rule["apiGroups"]) != set()
        and {call.resource, "*"} & set(rule["resources"]) != set()
        and (not names or call.name in names)
    )
