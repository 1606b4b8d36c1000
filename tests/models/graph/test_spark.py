"""Spark's sessions and statements, without Java: the calls of PySpark."""

from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from models.graph.engines import spark
from models.graph.engines.spark import Spark, SparkConnection, start, transpiled
from models.graph.errors import StatementError

WITHIN_DRIVER = {"spark.driver.host", "spark.driver.bindAddress", "spark.sql.shuffle.partitions"}
"""Settings that suit a driver alone."""


class Builder:
    """A session builder that notes its configuration."""

    def __init__(self) -> None:
        self.settings: dict[str, str] = {}

    def master(self, name: str) -> "Builder":
        return self.config("master", name)

    def appName(self, name: str) -> "Builder":  # noqa: N802
        return self.config("name", name)

    def config(self, name: str, value: str) -> "Builder":
        self.settings[name] = value
        return self

    def getOrCreate(self) -> dict[str, str]:  # noqa: N802
        return self.settings


def started(master: str, scratch: Path, options: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setattr(SparkSession, "builder", Builder())
    settings: Any = start(master, scratch, options)
    return settings


def test_a_local_session_stays_on_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = started("local[2]", tmp_path, {"spark.ui.enabled": "true"}, monkeypatch)
    assert (settings["master"], settings["name"], settings["spark.ui.enabled"]) == ("local[2]", "heliograph", "true")
    assert settings["spark.driver.host"] == settings["spark.driver.bindAddress"] == "127.0.0.1"
    assert settings["spark.sql.warehouse.dir"] == f"{tmp_path}/warehouse"
    assert settings["spark.local.dir"] == f"{tmp_path}/local"
    assert settings.keys() >= WITHIN_DRIVER


def test_a_session_on_a_cluster_can_be_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = started("spark://there:7077", tmp_path, {}, monkeypatch)
    assert settings["spark.ui.enabled"] == "false"
    assert not settings.keys() & WITHIN_DRIVER


def test_a_given_session_is_used_and_only_its_copy_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(spark, "_running", fail)
    monkeypatch.setattr(spark, "start", fail)
    session = MagicMock()
    with Spark(session).connect(tmp_path):
        pass
    session.stop.assert_not_called()
    session.conf.set.assert_not_called()
    settings = dict(call.args for call in session.newSession.return_value.conf.set.call_args_list)
    assert settings["spark.sql.session.timeZone"] == "UTC"
    assert settings["spark.sql.ansi.enabled"] == "true"
    assert settings["spark.sql.execution.arrow.useLargeVarTypes"] == "false"


def test_dropping_removes_the_view_and_its_files(tmp_path: Path) -> None:
    session = MagicMock()
    (tmp_path / "good").mkdir()
    SparkConnection(session, tmp_path).drop("good")
    session.sql.assert_called_once_with("DROP VIEW `good`")
    assert not (tmp_path / "good").exists()


def test_an_error_is_reported_without_its_trace(tmp_path: Path) -> None:
    session = MagicMock()
    session.sql.side_effect = PySparkException("no such column\n\tat org.one\n\tat org.two")
    with pytest.raises(StatementError, match=r"^no such column$"):
        SparkConnection(session, tmp_path).fetch("SELECT 1")


def test_values_and_places_are_as_many() -> None:
    with pytest.raises(ValueError, match="shorter"):
        transpiled("SELECT ? AS a, ? AS b", [1])
