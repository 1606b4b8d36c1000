"""Outcomes of what was served: a reader of the served log, its join with outcomes, counts."""

from monitoring.outcomes.counts import OutcomeCounts as OutcomeCounts
from monitoring.outcomes.join import join as join
