"""The spec of the product in ``tests/feature_repo/tiny.py``."""

from typing import Any

from models.spec import Spec
from tests.factories import specs

MEMBER, POST = ("member", "member"), ("post", "post_id")
DOCUMENT = specs.document(
    name="tiny",
    source={"adapter": "professional"},
    nodes={
        "member": {
            "key": "member_id",
            "views": {
                "member_profile": {
                    "table": "member_profiles",
                    "created": "written",
                    "features": {"seniority": "number", "country": "category"},
                },
                "member_recent": {"table": "member_recent", "ttl_days": 3, "features": {"streak": "number"}},
            },
        },
        "post": {
            "key": "post_id",
            "key_type": "string",
            "views": {
                "post_content": {
                    "table": "posts",
                    "features": {"topic": "category", "title": "text", "embedding": "vector[3]"},
                },
            },
        },
        "company": {
            "key": "company_id",
            "views": {"company_profile": {"table": "companies", "features": {"size": "number"}}},
        },
    },
    edges={"liked": specs.edge("likes", ("member", "member_id"), POST)},
    impressions=specs.impressions(MEMBER, POST, context={"place": "number", "device": "category"}),
    counters={
        "member_counts": {"keys": ["member"]},
        "member_surface_counts": {"keys": ["member", "surface"]},
        "post_counts": {"keys": ["item"]},
    },
    windows=specs.windows(train=4, validate=2),
)


def tiny_spec(**parts: Any) -> Spec:
    """The tiny product's spec; ``parts`` replace its top-level keys."""
    return specs.spec_of({**DOCUMENT, **parts}, "tiny.yaml")
