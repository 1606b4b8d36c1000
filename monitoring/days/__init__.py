"""One summary per served day: all that monitors and the monitoring page need of its rows."""

from monitoring.days.figures import ALL, Figure
from monitoring.days.joined import JoinedRows
from monitoring.days.summarize import summarize
from monitoring.days.summary import DaySummary

__all__ = ["ALL", "DaySummary", "Figure", "JoinedRows", "summarize"]
