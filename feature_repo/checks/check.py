"""Check a spec and its data before a run, with the functions that ingest is made of."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from feature_repo.checks.fits import fit_errors
from feature_repo.checks.preview import preview
from feature_repo.checks.report import Report
from feature_repo.checks.rows import ANY, Least, row_warnings
from feature_repo.checks.suggest import first_history, suggested_fan_outs, suggested_windows
from feature_repo.sources.adapters import check, columns_of
from feature_repo.sources.errors import Problems, SourceError, TableError
from feature_repo.sources.ingest import add_seeds, add_semantic_ids, check_labels, conform, valid_tables
from feature_repo.sources.labels import inside
from feature_repo.sources.quarantine import REASON, quarantined_rows
from feature_repo.sources.schemas import arrow_types
from feature_repo.sources.tables import arrow_table
from feature_repo.sources.validate import IMPOSSIBLE, Validated, check_leaks
from feature_repo.sources.versions import check_versions
from models.spec import Spec, SpecError, load_spec
from models.spec.schema import WINDOW_ORDER


def check_product(file: Path, data: str | None, least: Least = ANY) -> Report:
    """Check the spec in ``file`` with the raw data in a folder or at an address (None for simulated worlds).

    Finds what ingest, retrieval and training refuse, as far as the spec and the rows tell, and reports all of it. Where
    the spec has errors no data is read. Nothing is written. Raises OSError where a file or service cannot be read.
    """
    started, report = time.monotonic(), Report()
    spec = _spec(file, report)
    if spec is not None and not report.errors:
        with _warnings_of("feature_repo", report.warnings.append):
            _check_data(spec, data, report, least)
    report.errors, report.warnings = list(dict.fromkeys(report.errors)), list(dict.fromkeys(report.warnings))
    report.seconds = time.monotonic() - started
    return report


def _spec(file: Path, report: Report) -> Spec | None:
    """The spec, if it can be read at all; its errors go to the report."""
    try:
        spec = load_spec(file)
    except SpecError as error:
        report.errors += map(str, (error, *error.more))
        return None
    report.product, problems = spec.name, Problems(keep=True)
    check(spec, str(file), problems)
    if not problems.found:
        with problems.trying():
            check_leaks(spec, columns_of(spec))
    report.errors += problems.found
    return spec


def _check_data(spec: Spec, data: str | None, report: Report, least: Least) -> None:
    problems = Problems(keep=True)
    try:
        valid = valid_tables(spec, data, problems=problems)
    except SourceError as error:  # of the adapter: there are no tables
        report.errors += error.sentences
        return
    tables = _canonical(valid, problems)
    check_versions(valid.spec, tables, problems)
    if spec.impressions.table in tables and not problems.found:
        with problems.trying():
            add_seeds(valid.spec, tables)
            check_labels(valid.spec, tables, spec.windows.rolling)
            add_semantic_ids(valid.spec, tables, None)
    report.errors += problems.found
    report.warnings += _quarantined(valid)
    report.read = True
    shown = tables.get(spec.impressions.seeds)
    if shown is not None and any(len(inside(valid.spec, shown, window)) for window in WINDOW_ORDER):
        report.errors += fit_errors(valid.spec, tables)
        report.warnings += row_warnings(valid.spec, tables, least)
        report.preview = preview(valid.spec, tables)
        report.suggestions += suggested_fan_outs(spec, report.preview["edges"])
    if valid.shown is not None:
        report.suggestions[:0] = suggested_windows(spec, valid.shown, first_history(spec, tables), report.preview)


def _canonical(valid: Validated, problems: Problems) -> dict[str, pd.DataFrame]:
    """The tables as ingest writes them."""
    tables = {}
    for name, frame in valid.tables.items():
        tables[name] = conform(valid.spec, name, frame)
        try:
            arrow_table(name, tables[name], arrow_types(valid.spec, name))
        except TableError as error:
            problems.add(error)
    return tables


def _quarantined(valid: Validated) -> Iterator[str]:
    for name, frame in valid.tables.items():
        rows = quarantined_rows(frame)
        if rows is not None and len(rows):
            share = len(rows) / (len(rows) + len(frame))
            first = rows[REASON].iloc[0]
            yield f"table {name}: {len(rows):,} rows ({share:.2%}) go to the quarantine, the first: {first}"


@contextmanager
def _warnings_of(package: str, take: Callable[[str], None]) -> Iterator[None]:
    """Take the warnings that the package logs in the block, instead of printing them."""
    handler, logger = _Taker(take), logging.getLogger(package)
    before = logger.handlers, logger.propagate, logger.level
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.handlers, logger.propagate = before[:2]
        logger.setLevel(before[2])


class _Taker(logging.Handler):
    def __init__(self, take: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._take = take

    def emit(self, record: logging.LogRecord) -> None:
        """Take the message; the quarantine has a sentence of its own."""
        if IMPOSSIBLE not in (message := record.getMessage()):
            self._take(message)
