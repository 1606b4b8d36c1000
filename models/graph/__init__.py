"""The temporal graph: build, store, sample. A seed never sees anything at or after its own time."""
