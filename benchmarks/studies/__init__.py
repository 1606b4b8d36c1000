"""Studies of ranking quality: ``python -m benchmarks.studies.NAME`` fits rows of models and writes their table.

A study is a list of rows (``row``); every row is fitted with every seed (``fitting``), which leaves a file of
predictions (``predictions``); the table and its picture are made of these files and the graph alone (``evaluation``,
``report``).
"""
