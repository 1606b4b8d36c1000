"""Outcomes of served impressions: what became of each, by impression id and task."""
