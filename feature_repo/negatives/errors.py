"""Errors of sampled negatives."""


class NegativesError(Exception):
    """A log from which the negatives that the spec asks for cannot be drawn."""
