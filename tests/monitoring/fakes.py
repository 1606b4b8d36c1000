"""A small spec and simulated predictions for the tests of monitoring."""

import numpy as np
import pandas as pd

from models.spec import Spec
from tests.factories import specs

DOCUMENT = specs.document(
    source={"adapter": "hand"},
    nodes={
        "member": {"key": "member_id"},
        "item": {"key": "item_id", "views": {"items": {"table": "items", "features": {"quality": "number"}}}},
    },
    edges={"clicked": specs.edge("impressions", specs.MEMBER, specs.ITEM, domain="notification")},
    impressions=specs.impressions(
        surfaces=["notification", "feed"],
        context={"hour": "number", "kind": "category"},
        outcomes=["clicked", "liked"],
    ),
    tasks={"click": {"label": "clicked", "primary": True}, "like": {"label": "liked"}},
    counters={"member_total": {"keys": ["member"]}},
    home_domain="notification",
    gate={"margin": 0.01, "bootstraps": 100},
    oracle={"table": "truth", "probability": "chance"},
)


def small_spec() -> Spec:
    return specs.spec_of(DOCUMENT)


def sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values))


def fake_predictions(
    spec: Spec, rows: int = 4000, members: int = 300, noise: dict[str, float] | None = None, seed: int = 0
) -> pd.DataFrame:
    """Predictions of ``rows`` impressions a window; a scorer sees the true logit plus noise of the given deviation."""
    noise = {"candidate": 0.5, "trees": 1.0} if noise is None else noise
    generator = np.random.default_rng(seed)
    parts = []
    for window in ("gate", "test"):
        span = spec.span(window)
        truth = generator.normal(-1, 1.2, rows)
        part = pd.DataFrame(
            {
                "key": np.arange(rows) + (rows if window == "test" else 0),
                "member": generator.integers(0, members, rows),
                "item": generator.integers(0, 50, rows),
                "surface": generator.choice(spec.impressions.surfaces, rows),
                "time": pd.to_datetime(np.sort(generator.integers(span.start, span.end, rows)), unit="us", utc=True),
                "window": window,
            }
        )
        part["label_click"] = (generator.random(rows) < sigmoid(truth)).astype(float)
        part["label_like"] = np.where(part["label_click"] == 1, (generator.random(rows) < 0.3).astype(float), np.nan)
        part["oracle"] = sigmoid(truth)
        for scorer, deviation in noise.items():
            part[f"{scorer}_click"] = sigmoid(truth + generator.normal(0, deviation, rows))
            part[f"{scorer}_like"] = generator.random(rows) * 0.6
        parts += [part.assign(state="as_of"), part.assign(state="frozen")]
    return pd.concat(parts, ignore_index=True)
