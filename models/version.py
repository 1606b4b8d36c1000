"""The release's version and the tags of its images: the one place that names them (pyproject.toml reads VERSION)."""

VERSION = "0.2.0"
REPOSITORY = f"heliograph-python:{VERSION}"
"""What the tags of all images begin with. The name holds "python" because kfp.local warns about images that do not."""


def image(target: str) -> str:
    """The image that ``make images`` builds of a target of deploy/Dockerfile."""
    return f"{REPOSITORY}-{target}"


IMAGE, SERVE_IMAGE = image("pipeline"), image("serve")
"""Of the components, and of the predictor."""
