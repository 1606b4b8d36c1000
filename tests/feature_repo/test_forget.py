"""A member is forgotten: what is erased, that nothing brings it back, and that everybody else's rows stay."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feature_repo import forget as module
from feature_repo.applied import require_applied
from feature_repo.commands import main
from feature_repo.forget import forget
from feature_repo.forget_files import erase_pushed
from feature_repo.forgotten import NOTE, digest, forgotten_in
from feature_repo.materialise import materialize
from feature_repo.notes import Notes, notes_of
from feature_repo.packed.keys import key_part, row_key
from feature_repo.push import push
from feature_repo.store import open_store
from feature_repo.stores.online.bulk import rows_of
from feature_repo.stream.push import plan_of_table, push_file, push_rows
from feature_repo.views.pushed import write_pushed
from models import outcome_parts, storage
from models.features import SLOTS
from models.served import model_of
from tests.feature_repo import tiny
from tests.feature_repo.redis_server import redis_server
from tests.feature_repo.restored import Restored
from tests.feature_repo.stream import product
from tests.feature_repo.stream.conftest import World, open_world
from tests.s3_server import bucket, s3_server

__all__ = ["bucket", "redis_server", "s3_server"]

MEMBER, OTHER = 2, 12
"""Keys whose text and bytes begin alike."""


def _rows() -> list[dict[str, Any]]:
    return [
        product.impression(n, (MEMBER, OTHER, 3)[n % 3], f"p{1 + n % 2}", n, n + 5, click=n % 2, percent=n)
        for n in range(9)
    ]


@pytest.fixture(scope="module", params=["sqlite", "redis"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Restored]:
    """Materialized and pushed rows, vectors in every slot, a served log."""
    address = request.getfixturevalue("redis_server") if request.param == "redis" else None
    folder = tmp_path_factory.mktemp("made")
    world = open_world(folder / "world", address)
    product.write_tables(world.tables, _rows(), [product.like(MEMBER, "p1", 3), product.like(OTHER, "p1", 4)])
    materialize(world.store, world.spec)
    push_rows(world.store, plan_of_table(world.store, "impressions"), [product.impression(50, MEMBER, "p1", 50, 55)])
    for place in range(len(SLOTS)):
        push(world.store, world.spec, _vectors(folder / f"vectors-{place}"), str(place), f"encoder {place}")
    _serve(world.state / "endpoint" / "served", model_of(world.spec.name))
    return world, Restored(folder / "world", address)


@pytest.fixture
def world(made: tuple[World, Restored]) -> World:
    """The world, which the case may change."""
    world, restored = made
    restored.restore()
    return world._replace(store=open_store(world.config))


def _vectors(folder: Path) -> Path:
    tiny.vectors(folder)
    table = pq.read_table(folder / "member.parquet")
    pq.write_table(
        table.set_column(0, "key", pa.array([1, MEMBER, OTHER, 3, 4], pa.int64())), folder / "member.parquet"
    )
    return folder


def _serve(folder: Path, model: str) -> None:
    folder.mkdir(parents=True)
    lines = [{"served": 1, "member": member, "model": model} for member in (MEMBER, OTHER, MEMBER, str(MEMBER))]
    lines.append({"served": 1, "member": MEMBER, "model": "heliograph-other"})
    text = "\n".join(map(_line, lines)) + '\n\n{"served":1,"member":2,"mo\n{"served":1,"member":22,"mo\n'
    (folder / "2026-01-01.jsonl").write_text(text, encoding="utf-8")


def _line(line: dict[str, Any]) -> str:
    return json.dumps(line, separators=(",", ":"))


def _dump(world: World) -> dict[bytes, bytes]:
    """Every online row but the notes."""
    rows = rows_of(world.store)
    return {key: row for key, row in rows.dump(b"stream\0") if not key.startswith(b"stream\0.notes")}


def _command(world: World, *arguments: str) -> int:
    return main(["forget", "--state", str(world.state), "--config", str(world.config), *arguments])


def _names_member(key: bytes) -> bool:
    """Whether an online key is the member's: of the views of this product the member comes first or alone."""
    view = key.split(b"\0")[1].decode()
    rest = key.removeprefix(f"stream\0{view}\0".encode())
    return "post" not in view and "item" not in view and "topic" not in view and rest.startswith(key_part(MEMBER, True))


def _files(folder: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def test_everything_of_the_member_goes_and_nothing_of_others(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    before, pushed = _dump(world), world.state / "features" / "stream"
    tables = {file.name: pq.read_table(file) for file in pushed.glob("*.parquet")}
    own = {key for key in before if _names_member(key)}
    views = {key.split(b"\0")[1].decode() for key in own}
    assert views >= {"member_counts", "member_surface_counts", "recent_activities"}
    assert views >= {f"member_vectors_{slot}" for slot in SLOTS}
    assert _command(world, str(MEMBER)) == 0
    printed = capsys.readouterr().out
    assert _dump(world) == {key: row for key, row in before.items() if key not in own}
    for file in pushed.glob("*.parquet"):
        table = tables[file.name]
        kept = [row for row in table.to_pylist() if row.get("member_id") != MEMBER]
        assert pq.read_table(file).to_pylist() == kept
    served = (world.state / "endpoint" / "served" / "2026-01-01.jsonl").read_text(encoding="utf-8").splitlines()
    model = model_of("stream")
    kept_lines = [(OTHER, model), (str(MEMBER), model), (MEMBER, "heliograph-other")]
    assert served == [
        *(_line({"served": 1, "member": member, "model": name}) for member, name in kept_lines),
        "",
        '{"served":1,"member":22,"mo',
    ]
    for words in (
        "member_surface_counts",
        "2026-01-01.jsonl",
        "impressions 3",
        "pipeline `training`",
        "versions 0, 1, 2",
    ):
        assert words in printed
    assert _command(world, str(MEMBER)) == 0
    assert "nothing was left to erase" in capsys.readouterr().out


def test_outcomes_of_the_member_go_too(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    endpoint, address = world.state / "endpoint", outcome_parts.address_of(str(world.state), world.spec.name)
    model, log = model_of(world.spec.name), endpoint / "served" / "2026-01-02.jsonl"
    shown = {"own/0/0": MEMBER, "other/0/0": OTHER, "own/1/0": MEMBER}
    lines = [{"served": 1, "member": member, "model": model, "impression": one} for one, member in shown.items()]
    log.write_text("\n".join(map(_line, lines)) + "\n", encoding="utf-8")
    outcomes = [outcome_parts.Outcome(one, "click", 1, 1, 2) for one in shown]
    outcome_parts.write(address, "part", outcomes)
    outcome_parts.write(address, "own", outcomes[:1])
    (endpoint / "outcomes").mkdir()
    new = endpoint / "outcomes" / "1970-01-01.jsonl"
    new.write_text("".join(_line({"model": model, **one._asdict()}) + "\n" for one in outcomes) + '{"mod')
    assert _command(world, "--dry-run", str(MEMBER)) == 0
    assert len(new.read_text().splitlines()) == 4
    assert _command(world, str(MEMBER)) == 0
    assert "new outcomes" in capsys.readouterr().out
    (part,) = outcome_parts.parts(address)
    assert pq.read_table(part, partitioning=None)["impression"].to_pylist() == ["other/0/0"]
    assert [line[:4] for line in new.read_text().splitlines()] == ['{"mo'] * 2
    assert "other/0/0" in new.read_text()


def test_a_dry_run_changes_nothing(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    before, files = _dump(world), _files(world.state / "features") | _files(world.state / "endpoint")
    assert _command(world, "--dry-run", str(MEMBER)) == 0
    assert "would be erased" in capsys.readouterr().out
    assert _dump(world) == before
    assert _files(world.state / "features") | _files(world.state / "endpoint") == files
    assert not forgotten_in(rows_of(world.store), "stream")


def test_nothing_brings_the_member_back(world: World, tmp_path: Path) -> None:
    """The tables still have its rows; a push, a push of vectors and materialize bring them again, others' as well."""
    assert _command(world, str(MEMBER)) == 0
    rows_of(world.store).delete(b"stream\0member")
    file = tmp_path / "rows.jsonl"
    rows = [product.impression(60 + n, member, "p1", 60, 65) for n, member in enumerate((MEMBER, OTHER))]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert "1 rows, 1 new, 0 duplicates, 0 late, 1 of forgotten members" in push_file(
        world.store, "impressions", str(file)
    )
    materialize(world.store, world.spec)
    push(world.store, world.spec, _vectors(tmp_path / "again"), "9", "another encoder")
    found = _dump(world)
    assert not [key for key in found if _names_member(key)]
    for view in ("member_counts", "recent_activities"):
        assert row_key("stream", view, [OTHER]) in found
    for path in (world.state / "features" / "stream").glob("*.parquet"):
        assert MEMBER not in pq.read_table(path).to_pydict().get("member_id", [])


def test_killed_half_way_the_second_call_finishes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after the online rows: nothing brings them back, and the files go with the next call."""

    def killed(*_: Any) -> dict[str, int]:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        survey = module.erase_pushed
        patch.setattr(module, "erase_pushed", lambda *given: survey(*given) if given[-1] else killed())
        assert _command(world, str(MEMBER)) == 130
    assert forgotten_in(rows_of(world.store), "stream").holds(MEMBER)
    materialize(world.store, world.spec)
    assert _command(world, str(MEMBER)) == 0
    assert not [key for key in _dump(world) if _names_member(key)]
    assert str(MEMBER) not in pd.read_parquet(world.state / "features/stream/recent_activities.parquet").index
    text = (world.state / "endpoint" / "served" / "2026-01-01.jsonl").read_text(encoding="utf-8")
    assert f'"member":{MEMBER},"model":"{model_of("stream")}"' not in text


def test_projects_of_pipelines_that_only_look_too(world: World) -> None:
    """The product's own, known by what is applied there; another product of a name that begins alike stays."""
    own, other = (open_store(world.config, None, name) for name in ("stream_scratch_x", "stream_scratch_y"))
    tiny.apply_tables(own, world.spec, world.tables, world.state)
    other_spec = world.spec.model_copy(update={"name": "stream_scratch_y"})
    tiny.apply_tables(other, other_spec, world.tables, world.state)
    for store, spec in ((own, world.spec), (other, other_spec)):
        materialize(store, spec)
    key = [row_key(store.project, "member_counts", [MEMBER]) for store in (own, other)]
    assert None not in rows_of(world.store).read(key)
    assert _command(world, str(MEMBER)) == 0
    one, two = rows_of(world.store).read(key)
    assert (one, two is not None) == (None, True)
    assert forgotten_in(rows_of(world.store), "stream_scratch_x")
    assert not forgotten_in(rows_of(world.store), "stream_scratch_y")


def test_undo(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert _command(world, str(MEMBER)) == 0
    assert _command(world, "--undo", str(MEMBER)) == 0
    materialize(world.store, world.spec)
    assert row_key("stream", "member_counts", [MEMBER]) in _dump(world)
    assert _command(world, "--undo", str(MEMBER)) == 0
    assert "it was not forgotten" in capsys.readouterr().out


@pytest.mark.parametrize("member", ["77", "x", "1e3", str(2**63), "2 ", "²"])
def test_an_unknown_member_is_an_error_and_is_not_noted(
    world: World, member: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _command(world, member) == 1
    assert "error: " in capsys.readouterr().err
    assert notes_of(world.store).read(NOTE) is None


def test_an_empty_state_folder_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["forget", "7", "--state", str(tmp_path / "state")]) == 1
    assert "expected applied tables; found none" in capsys.readouterr().err


def test_a_push_meanwhile_is_not_replaced_by_an_older_file(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    file, read_bytes = world.state / "features" / "stream" / f"member_vectors_{SLOTS[0]}.parquet", storage.read_bytes
    assert pq.read_table(file)["member_id"].to_pylist().count(MEMBER) == 1
    newer = pq.read_table(file).slice(0, 3)

    def pushed(address: str) -> bytes:
        content = read_bytes(address)
        if address.endswith(file.name) and pq.read_table(file).num_rows > newer.num_rows:
            write_pushed(newer, str(file.parent), file.stem)
        return content

    monkeypatch.setattr(storage, "read_bytes", pushed)
    assert erase_pushed(require_applied(world.store), MEMBER, dry_run=False)[file.name] == 1
    assert pq.read_table(file)["member_id"].to_pylist() == [1, OTHER]


def test_pods_that_write_their_part_again_are_named(
    world: World, bucket: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _command(world, "--dry-run", str(MEMBER)) == 0
    assert "restart them" not in capsys.readouterr().out
    monkeypatch.setattr(module, "storage_of", lambda *_: bucket)
    assert _command(world, str(MEMBER)) == 0
    assert "write their newest part again with them: restart them, then repeat" in capsys.readouterr().out


def test_a_note_of_a_run_in_progress_is_printed(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    from feature_repo.lease import acquire

    acquire(notes_of(world.store), "run-7", 600)
    assert _command(world, str(MEMBER)) == 0
    assert "Run run-7 changes the product now: repeat this command" in capsys.readouterr().out


def test_the_note_holds_no_key(world: World) -> None:
    forget(world.store, str(MEMBER), lambda _: None, world.state / "none")
    note = Notes(rows_of(world.store), "stream").read(NOTE)
    assert note is not None
    assert set(note) == {"key", "salt", "members"}
    assert note["members"] == [digest(MEMBER, bytes.fromhex(note["salt"]))]
