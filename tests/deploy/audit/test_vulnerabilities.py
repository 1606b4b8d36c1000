"""pip-audit against a database of this test: what is known, and what no answer means."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from deploy.audit import __main__ as module
from deploy.audit import vulnerabilities
from deploy.audit.vulnerabilities import AuditError, Known, UnreachableError, known

_KNOWN = {
    "id": "PYSEC-1",
    "modified": "2026-01-01T00:00:00Z",
    "published": "2026-01-01T00:00:00Z",
    "summary": "bad",
    "details": "bad",
    "aliases": ["CVE-1"],
    "affected": [
        {
            "package": {"name": "bad", "ecosystem": "PyPI", "purl": "pkg:pypi/bad"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.0"}]}],
        }
    ],
}


class _Database(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = asked["package"]["name"]
        self.send_response(500 if name == "broken" else 200)
        self.end_headers()
        self.wfile.write(json.dumps({"vulns": [_KNOWN]} if name == "bad" else {}).encode())

    def log_message(self, *given: object) -> None:
        """Nothing is printed."""


@pytest.fixture
def database() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Database)
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1/query"
    server.shutdown()
    thread.join()
    server.server_close()


def test_known_vulnerabilities_are_named(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert known({"good": "1.0", "bad": "1.0"}, database) == Known(["bad 1.0: PYSEC-1; fixed in 2.0"], [])
    monkeypatch.setattr(vulnerabilities, "ACCEPTED", {"PYSEC-1": "why"})
    assert known({"bad": "1.0"}, database) == Known([], [])


def test_an_auditor_that_fails_is_no_clean_bill(database: str) -> None:
    with pytest.raises(AuditError, match=r"pip-audit: exit status 1: ") as error:
        known({"good": "1.0", "broken": "1.0"}, database)
    assert not isinstance(error.value, UnreachableError)


def test_a_database_that_does_not_answer_is_told_apart() -> None:
    server = HTTPServer(("127.0.0.1", 0), _Database)
    server.server_close()
    with pytest.raises(UnreachableError):
        known({"good": "1.0"}, f"http://127.0.0.1:{server.server_port}/v1/query")


@pytest.mark.parametrize(
    ("answer", "line", "figures", "broken"),
    [
        (UnreachableError(), "vulnerabilities: NOT CHECKED, the database cannot be reached", (0, None), 0),
        (AuditError("why"), "vulnerabilities: NOT CHECKED. why", (0, None), 1),
        (Known(["a 1: X; fixed in 2"], ["b: why"]), "vulnerability: a 1: X; fixed in 2", (-1, 1), 1),
        (Known([], []), "vulnerabilities: none known of", (0, 0), 0),
    ],
)
def test_the_audit_says_what_it_did_not_check(
    answer: AuditError | Known,
    line: str,
    figures: tuple[int, int | None],
    broken: int,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def answered(pinned: dict[str, str]) -> Known:
        if isinstance(answer, AuditError):
            raise answer
        return answer

    monkeypatch.setattr(module, "known", answered)
    monkeypatch.setattr(module, "FOLDER", tmp_path_factory.mktemp("audit"))
    assert module.main() == broken
    lines = capsys.readouterr().out.splitlines()
    assert len([one for one in lines if one.startswith(line)]) == 1
    last = json.loads(lines[-1])
    checked, found = figures
    expected = checked if found is None else last["components"] + checked
    assert last["vulnerabilities"] == {"checked": expected, "found": found}
    assert last["broken"] == broken
    assert json.loads((module.FOLDER / "sbom.cdx.json").read_text(encoding="utf-8"))["components"]
    table = (module.FOLDER / "licenses.tsv").read_text(encoding="utf-8").splitlines()
    assert len(table) == last["licenses"]["read"] + 1
