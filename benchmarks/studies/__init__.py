"""Studies of ranking quality: ``python -m benchmarks.studies.NAME`` fits rows of models and writes their table.

A study is a list of rows (``row``). Every row is fitted with every seed (``fitting``), which writes a file of
predictions (``predictions``). Table and picture are computed from these files and the graph only (``evaluation``,
``report``).
"""
