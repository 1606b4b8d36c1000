"""What ``python -m feature_repo forget`` prints: what was erased where, and what is left to do."""

from collections.abc import Mapping

from feature_repo.forget import Erased
from feature_repo.slots import Slot


def report(erased: Erased, slots: Mapping[str, Slot], dry_run: bool) -> str:
    """The table of erased rows, then what still knows the member and what ends that."""
    lines = _table(erased) or ["nothing was left to erase" if not dry_run else "nothing to erase"]
    total = sum(erased.rows.values())
    lines.append(f"{total:,} rows and lines {'would be erased' if dry_run else 'erased'}.")
    if dry_run:
        lines.append("Nothing was changed. Without --dry-run ingest, materialize and pushes leave the member out, too.")
    else:
        lines.append("From now on ingest, materialize and pushes leave the member out.")
    if erased.run:
        lines.append(f"Run {erased.run} changes the product now: repeat this command when it has ended.")
    return "\n".join([*lines, *_left(erased, slots)])


def _table(erased: Erased) -> list[str]:
    width = max((len(place) for place, _ in erased.rows), default=0)
    names = max((len(what) for _, what in erased.rows), default=0)
    return [f"{place:<{width}}  {what:<{names}}  {rows:>8,}" for (place, what), rows in erased.rows.items()]


def _left(erased: Erased, slots: Mapping[str, Slot]) -> list[str]:
    lines = ["Left, and what ends it:"]
    if erased.tables:
        found = ", ".join(f"{name} {rows:,}" for name, rows in erased.tables.items())
        lines.append(
            f"- the tables of the last run ({found} rows), and all artifacts made of them: the next run of `training` "
            "or `refresh` makes tables without the member, and python -m pipelines prune removes the older ones"
        )
    versions = sorted({version for slot in slots.values() for version in slot.versions})
    named = f" (versions {', '.join(versions)})" if versions else ""
    lines.append(
        f"- weights that were trained on the member's rows{named}: run the pipeline `training`, promote its version, "
        "and prune the versions before"
    )
    lines.append(
        "- counters of items, and other keys' lists that name the member as a creator or a target: `refresh` makes "
        "them anew"
    )
    if erased.collected:
        lines.append(
            "- the collected served log: the pods of the endpoint hold lines of their own and write their newest part "
            "again with them: restart them, then repeat this command"
        )
    lines.append("- the raw files: they are not changed. Every ingest drops their rows of the member")
    lines.append(
        "- requests for the member: they are served as for an unknown one, and logged; then repeat this command"
    )
    return lines
