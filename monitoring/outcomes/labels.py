"""SQL of labels: from a served candidate and its first outcome to 1, 0 or null."""

from models.clock import tolerance
from models.spec import Spec
from models.spec.impressions import Task
from models.sql import identifier, literal
from monitoring.outcomes.columns import KEY, Columns
from monitoring.outcomes.shown import BY_ID, BY_TIME
from monitoring.outcomes.stored import STORED


class Labels:
    """Statements about a day's candidates (``served_rows``) joined with outcomes.

    ``now``: up to when outcomes are known, microseconds. ``shown_until``: the time of the last row of the table of
    impressions; None without one. ``silent``: whether no outcome means no label, since none is ever sent.
    """

    def __init__(self, spec: Spec, now: int, shown_until: int | None, silent: bool) -> None:
        self._spec, self._columns = spec, Columns.of(spec)
        self._now, self._shown_until, self._silent = now, shown_until, silent

    @property
    def has_shown(self) -> bool:
        """Whether there is a table of impressions."""
        return self._shown_until is not None

    def joined(self, rows: str) -> str:
        """Statement that gives the joined rows of ``rows``, in their order."""
        columns = [f"r.{identifier(name)}" for name in (*self._columns.slate, *self._columns.probabilities)]
        for number, (name, task) in enumerate(self._spec.tasks.items()):
            columns.append(f"{self._label(number, task)} AS {identifier(f'label_{name}')}")
            columns.append(f"{self._happened(number, task)} AS {identifier(f'happened_{name}')}")
        columns += [f"r.{identifier(name)}" for name in self._columns.features]
        return f"SELECT {', '.join(columns)} FROM {self._joins(rows)} ORDER BY r.served, r.slate, r.position"

    def counts(self, rows: str) -> str:
        """Statement that gives outcomes, matched, late, skewed and the candidates settled and pending."""
        outcomes, matched, late, skewed = [], [], [], []
        for number, task in enumerate(self._spec.tasks.values()):
            won, skew = f"o.w{number} IS NOT NULL", self._skewed(number)
            outcomes += [f"coalesce(o.n{number}, 0)"]
            matched += [f"({won})::INT"]
            skewed += [f"coalesce({won} AND {skew}, false)::INT"]
            late += [f"coalesce({won} AND NOT ({skew}) AND {self._late(number, task)}, false)::INT"]
            if self._shown_until is not None:
                outcomes += [f"coalesce(s.m{number}, 0)", f"coalesce(b.m{number}, 0)"]
                matched += [f"(s.s{number} IS NOT NULL)::INT", f"(b.s{number} IS NOT NULL)::INT"]
        primary = list(self._spec.tasks).index(self._spec.primary_task)
        task = self._spec.tasks[self._spec.primary_task]
        sums = ", ".join(
            f"coalesce(sum({' + '.join(terms)}), 0)::BIGINT" for terms in (outcomes, matched, late, skewed)
        )
        return (
            f"SELECT count(*), {sums}, count({self._label(primary, task)}), "
            f"count(*) FILTER (r.served + {task.attribution_time} > {self._now}) FROM {self._joins(rows)}"
        )

    def _joins(self, rows: str) -> str:
        joins = f"({rows}) r LEFT JOIN {STORED} o ON o.{KEY} = r.{KEY}"
        if self._shown_until is None:
            return joins
        slates = f"SELECT DISTINCT regexp_replace({KEY}, '/[^/]*$', '') AS slate FROM"
        return (
            f"{joins} LEFT JOIN {BY_ID} s ON s.{KEY} = r.{KEY} AND s.member = r.member::VARCHAR "
            f"AND s.item = r.item::VARCHAR LEFT JOIN {BY_TIME} b ON b.{KEY} = r.{KEY} "
            f"LEFT JOIN ({slates} {BY_ID} UNION {slates} {BY_TIME}) k ON k.slate = r.slate"
        )

    def _label(self, number: int, task: Task) -> str:
        won, open_ = f"o.w{number}", f"r.served + {task.attribution_time} > {self._now}"
        hit = f"({won}.no = 0 AND NOT {self._early(number)} AND NOT {self._late(number, task)})::INT::DOUBLE"
        cases = [f"WHEN {open_} THEN NULL"]
        if task.filter:
            cases.append(f"WHEN NOT coalesce({self._defined(task)}, false) THEN NULL")
        cases.append(f"WHEN {won} IS NOT NULL THEN {hit}")
        if self._shown_until is not None:
            until = min(self._now, self._shown_until)
            shown = f"coalesce(s.s{number}, b.s{number})"
            settles = f"greatest(r.served, {shown}.shown) + {task.attribution_time}"
            cases.append(f"WHEN {shown} IS NOT NULL THEN CASE WHEN {settles} <= {until} THEN 1 - {shown}.no END")
            cases.append("WHEN k.slate IS NOT NULL THEN NULL")  # another of the slate was shown, this one was not
        return f"CASE {' '.join(cases)} ELSE {'NULL' if self._silent else '0::DOUBLE'} END"

    def _happened(self, number: int, task: Task) -> str:
        """When a positive outcome happened; a time that cannot be is null."""
        won = f"o.w{number}"
        stored = f"CASE WHEN {won}.no = 0 AND NOT {self._skewed(number)} THEN {won}.happened END"
        if self._shown_until is None:
            return stored
        shown = f"coalesce(s.s{number}, b.s{number})"
        return f"CASE WHEN {won} IS NOT NULL THEN {stored} WHEN {shown}.no = 0 THEN {shown}.shown END"

    def _early(self, number: int) -> str:
        return f"(o.w{number}.happened < r.served - {tolerance()})"

    def _skewed(self, number: int) -> str:
        return f"({self._early(number)} OR o.w{number}.happened > o.w{number}.received + {tolerance()})"

    def _late(self, number: int, task: Task) -> str:
        if not task.attribution_time:  # such an outcome may take any time
            return "false"
        return f"(o.w{number}.happened > r.served + {task.attribution_time})"

    def _defined(self, task: Task) -> str:
        """Whether the task's filter keeps a candidate: unknown, so without a label, by a column that is not served."""
        shown = self._spec.impressions
        names = {name: name for name in self._columns.features}
        names |= {shown.surface: "surface", shown.member.column: "member", shown.item.column: "item"}
        conditions = ["true"]
        for name, values in task.filter.items():
            if (column := names.get(name)) is None:
                return "false"
            kept = ", ".join(literal(str(int(one) if isinstance(one, bool) else one)) for one in values)
            kind = self._columns.every[column]
            conditions.append(f"r.{identifier(column)} IN (SELECT CAST(v AS {kind}) FROM unnest([{kept}]) t(v))")
        return f"({' AND '.join(conditions)})"
