"""Configuration of model and training: plain dataclasses whose fields carry their bounds; needs no other library."""
