"""Errors of the spec."""


class SpecError(ValueError):
    """Raised when a spec cannot be used; the message names the file, the key, what was expected and what was found."""

    def __init__(self, file: str, key: str, expected: str, found: str) -> None:
        self.file, self.key, self.expected, self.found = file, key, expected, found
        self.more: tuple[SpecError, ...] = ()
        """Errors of other blocks, as far as they were found together."""
        super().__init__(f"{file}: {key}: expected {expected}; found {found}")


class UnresolvedWindowsError(SpecError):
    """Raised for dates of windows that end at the data's latest day, before ingest has found that day."""

    def __init__(self) -> None:
        super().__init__(
            "spec",
            "windows.end",
            "dates (use the resolved spec: ingest writes it, and the run, its report and the bundle hold it)",
            "'latest'",
        )
