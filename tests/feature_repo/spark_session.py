"""Spark in local mode for the tests: small, quiet, and configured as a cluster's is, by spark-defaults.conf."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ZONE = "spark.sql.session.timeZone"
_SETTINGS = {
    "spark.master": "local[2]",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.codegen.wholeStage": "false",  # nothing here is large
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m -XX:+UseSerialGC",
}


@contextmanager
def spark_defaults(folder: Path) -> Iterator[None]:
    """Let a session that is started inside find its settings in ``folder``; stop it at the end.

    A session that runs already, another test's, is set to UTC meanwhile, and left running.
    """
    from pyspark.sql import SparkSession

    running = SparkSession.getActiveSession()
    settings = {**_SETTINGS, "spark.local.dir": folder / "local", "spark.sql.warehouse.dir": folder / "warehouse"}
    text = "".join(f"{name} {value}\n" for name, value in settings.items())
    (folder / "spark-defaults.conf").write_text(text, encoding="utf-8")
    before = os.environ.get("SPARK_CONF_DIR")
    os.environ["SPARK_CONF_DIR"] = str(folder)
    try:
        if running is not None:
            running.conf.set(_ZONE, "UTC")
        yield
    finally:
        os.environ.pop("SPARK_CONF_DIR")
        if before is not None:
            os.environ["SPARK_CONF_DIR"] = before
        started = SparkSession.getActiveSession()
        if running is not None:
            running.conf.unset(_ZONE)
        elif started is not None:
            started.stop()
