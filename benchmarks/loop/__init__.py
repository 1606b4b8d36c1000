"""The loop, closed: a live world whose members answer the slates of a real endpoint, for thirty simulated days.

``python -m benchmarks.loop`` trains on the history, then every day sends the members' sessions to the endpoint by HTTP,
brings outcomes back late, moves counters, and refreshes; the monitor judges every day, and ``act`` follows its verdict.
"""
