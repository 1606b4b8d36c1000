"""The temporal graph: build, store, sample. Nothing at or after a seed's time is ever visible to it."""
