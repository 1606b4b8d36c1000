"""Five small data sets as a stranger would bring them: files and a spec, no Python."""
