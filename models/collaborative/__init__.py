"""Collaborative features: names of their columns, their schedule, and the one function that derives them from rows."""
