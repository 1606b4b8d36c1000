from pathlib import Path

from models.training.files import write_json


def test_the_same_document_gives_the_same_bytes(tmp_path: Path) -> None:
    for document in ({"b": [1], "a": "é"}, {"a": "é", "b": [1]}):
        write_json(tmp_path / "it.json", document)
        assert (tmp_path / "it.json").read_bytes() == b'{\n "a": "\\u00e9",\n "b": [\n  1\n ]\n}\n'
