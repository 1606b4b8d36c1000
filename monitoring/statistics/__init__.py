"""Statistics of the monitors: pure numpy, no files, no frames.

``clusters`` (ratios and differences whose rows come in members) and ``effects`` (days differ more than their rows
explain) are the basis of ``calibration``, ``ranking`` and ``canary``.
"""
