"""The release's version and the tag of its image: the one place that names them (pyproject.toml reads VERSION)."""

VERSION = "0.2.0"
IMAGE = f"heliograph-python:{VERSION}"
"""deploy/Dockerfile builds it. The name holds "python" because kfp.local warns about images that do not."""
