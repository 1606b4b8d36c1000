"""The engines that run the relational part: DuckDB in the process, Spark on one machine or a cluster."""
