"""SQL engines of a graph build: DuckDB in the process, Spark on one machine or a cluster."""
