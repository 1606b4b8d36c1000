"""Signatures of versions (Ed25519). A digest proves that a version is intact, a signature who registered it.

Keys are 32 bytes in base64 in the environment: HELIOGRAPH_SIGNING_KEY (secret) where versions are registered, and
HELIOGRAPH_VERIFY_KEY (public) where they are loaded. The signature covers the version's name, number and digest.
"""

import base64
import binascii
import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from serving.errors import RegistryError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SIGNING_KEY, VERIFY_KEY = "HELIOGRAPH_SIGNING_KEY", "HELIOGRAPH_VERIFY_KEY"


def new_keys() -> tuple[str, str]:
    """Generate a pair of keys: the secret signing key and the public verify key."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    return base64.b64encode(key.private_bytes_raw()).decode(), _public(key)


def signature(name: str, version: str, digest: str) -> str | None:
    """Sign a version with the environment's key; return base64, or None without a key. Raises RegistryError."""
    key = signing_key()
    return None if key is None else base64.b64encode(key.sign(_signed(name, version, digest))).decode()


def signing_key() -> "Ed25519PrivateKey | None":
    """The environment's signing key, or None. Raises RegistryError for an invalid key, or one that does not match the
    environment's verify key.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    text = os.environ.get(SIGNING_KEY, "").strip()
    if not text:
        return None
    key = Ed25519PrivateKey.from_private_bytes(_bytes(text, SIGNING_KEY))
    verify = os.environ.get(VERIFY_KEY, "").strip()
    if verify and _bytes(verify, VERIFY_KEY) != _bytes(_public(key), SIGNING_KEY):
        raise RegistryError(
            f"{SIGNING_KEY}: expected the other half of {VERIFY_KEY}; found another pair's. Set one pair."
        )
    return key


def verify_key(held: str = "") -> str:
    """The public key that signatures must match: the environment's, else ``held``; "" where none is set.

    A signing key implies its verify key. Raises RegistryError for an invalid key.
    """
    text = os.environ.get(VERIFY_KEY, "").strip()
    if not text:
        key = signing_key()
        text = _public(key) if key is not None else held
    if text:
        _bytes(text, VERIFY_KEY)
    return text


def check_signature(name: str, version: str, digest: str, signed: str, key: str) -> None:
    """Raise RegistryError unless ``signed`` is a valid signature of the version; do nothing where ``key`` is ""."""
    if not key:
        return
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if not signed:
        raise RegistryError(
            f"{name} version {version}: expected a signature, since {VERIFY_KEY} is set; found none. Sign it where "
            f"{SIGNING_KEY} is: python -m serving sign --version {version}"
        )
    try:
        given = base64.b64decode(signed, validate=True)
        Ed25519PublicKey.from_public_bytes(_bytes(key, VERIFY_KEY)).verify(given, _signed(name, version, digest))
    except (InvalidSignature, binascii.Error, ValueError):
        raise RegistryError(
            f"{name} version {version}: expected a signature of its name, number and digest {digest[:12]}... by the "
            f"other half of {VERIFY_KEY}; found another. Do not serve it. Re-register it, or find out who changed it."
        ) from None


def without_signing_key(environment: Mapping[str, str]) -> dict[str, str]:
    """Copy an environment without the signing key, for processes that only load versions."""
    return {name: value for name, value in environment.items() if name != SIGNING_KEY}


def _public(key: "Ed25519PrivateKey") -> str:
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def _signed(name: str, version: str, digest: str) -> bytes:
    return json.dumps(["heliograph version", name, version, digest]).encode()


def _bytes(text: str, variable: str) -> bytes:
    """Decode a key's 32 bytes; the error message does not contain the key."""
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if len(found) != 32:
        raise RegistryError(
            f"{variable}: expected 32 bytes in base64, as `python -m serving keys` prints; found another."
        )
    return found
