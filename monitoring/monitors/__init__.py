"""Monitors: one small function per layer, and the verdict that their alarms lead to.

Each takes a ``Context`` (the day to judge, the days before it) and returns alarms. It works on summaries of days alone.
"""

from monitoring.monitors.context import Context
from monitoring.monitors.judge import MONITORS, judge

__all__ = ["MONITORS", "Context", "judge"]
