"""What the monitors of a product take for an alarm, and what may be done about one without a person."""

from typing import Literal

from pydantic import Field

from models.spec.base import StrictModel
from models.spec.durations import Length, length_in_microseconds


class Monitoring(StrictModel):
    """The monitors' bounds, and what the pipeline `act` may do."""

    act: Literal["off", "dry_run", "on"] = Field(
        default="dry_run",
        description="What the pipeline `act` does with a verdict: nothing, say what it would do, or do it. `off` and "
        "`on` need quotes. With `off` a data fault does not keep training from starting either.",
        examples=["on"],
    )
    cool_down: Length = Field(
        default="3d",
        description="Shortest time from one action to the next, at least a day; the slowest task's attribution is "
        "added, since what an action changes shows only once its outcomes have settled.",
        examples=["7d"],
    )
    canary_percent: int = Field(
        default=10,
        ge=0,
        le=99,
        description="Share of the traffic of a version that `act` has trained and that passed the gate. 0 = it becomes "
        "the champion at once.",
        examples=[20],
    )
    false_alarm_days: int = Field(
        default=1000,
        ge=10,
        le=100_000,
        description="Days without a fault after which a monitor may raise a false alarm, on average. More find slow "
        "changes later.",
        examples=[500],
    )
    calibration_band: float = Field(
        default=0.05,
        ge=0,
        lt=0.5,
        description="How far predicted and realized rate may differ, as a share, before the difference counts as "
        "evidence of a wrong calibration. Smaller finds smaller shifts, and more often those that do no harm.",
        examples=[0.02],
    )
    history_days: int = Field(
        default=28,
        ge=7,
        le=365,
        description="Number of settled days before the judged one that monitors compare it with.",
        examples=[56],
    )
    fewest_rows: int = Field(
        default=200,
        ge=50,
        le=1_000_000,
        description="Fewest served candidates of a day, or of a part of it such as a surface, that a monitor judges.",
        examples=[1000],
    )

    @property
    def cool_down_time(self) -> int:
        """The cool-down in microseconds."""
        return length_in_microseconds(self.cool_down)
