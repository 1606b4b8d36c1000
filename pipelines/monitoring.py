"""The monitoring pipeline: new data -> the champion's drift, click-through rate and calibration."""

from kfp import dsl

from components.evaluate import evaluate
from components.monitor import monitor
from pipelines.prepared import prepared
from pipelines.resources import heavy, light, stateful


@dsl.pipeline(name="heliograph-monitoring", description="Is the champion still good enough?")
def monitoring(spec: str, product: str, services: dict, data: str = "") -> None:
    """Measure only: nothing is trained, registered or deployed."""
    with prepared(spec, product, services, data, from_champion=True) as ready:
        evaluated = evaluate(
            spec=ready.spec,
            **ready.run,
            tables=ready.tables,
            training_set=ready.training_set,
            graph=ready.graph(),
            model=ready.model,
        )
        evaluation = heavy(stateful(evaluated)).outputs["evaluation"]
        watched = monitor(spec=ready.spec, **ready.run, training_set=ready.training_set, evaluation=evaluation)
        light(stateful(watched))
