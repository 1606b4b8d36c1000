"""Check of time features, and of features of type ``time``: who may name whom."""

from models.spec.errors import SpecError
from models.spec.schema import Spec


def time_sources(spec: Spec) -> dict[str, str]:
    """The features of type ``time`` of member and item: feature -> its view."""
    return {
        feature.name: name
        for _, column in spec.node_columns()
        for name, view in spec.nodes[column.node].views.items()
        for feature in view.typed
        if feature.kind == "time"
    }


def check_time_features(spec: Spec, file: str) -> None:
    """Check that every age is since a feature of type ``time`` that a request can read, and that each such feature is
    used: the model does not read it as it is. Raises SpecError.
    """
    known = time_sources(spec)
    for name, feature in spec.time_features.items():
        if feature.since is not None and feature.since not in known:
            listed = ", ".join(known) or "none is declared"
            expected = f"a feature of type time in a view of the member or the item ({listed})"
            raise SpecError(file, f"time_features.{name}.since", expected, repr(feature.since))
    used = {feature.since for feature in spec.time_features.values()}
    for node_name, node in spec.nodes.items():
        for view_name, view in node.views.items():
            for name in (feature.name for feature in view.typed if feature.kind == "time"):
                if name not in used:
                    key = f"nodes.{node_name}.views.{view_name}.features.{name}"
                    raise SpecError(file, key, "a time feature since it, as the model reads ages only", "none")
