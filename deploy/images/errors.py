"""What can go wrong with images, in one sentence each."""


class ImageError(Exception):
    """An image that cannot be built, or is not what it should be."""
