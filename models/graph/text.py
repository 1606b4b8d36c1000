"""Text as a small vector: a signed hashed bag of words (Weinberger et al. 2009), normalized to length 1."""

import re

import numpy as np
import pyarrow as pa

from models.graph.hashing import hash_text

TEXT_SIZE = 32
"""Components of the vector of a text."""
_WORD = re.compile(r"\w+")


def bag_of_words(texts: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """Vectors of texts, (n,) strings -> (n, 32) float32: each word adds +1 or -1 at its hash; zeros without words."""
    encoded = texts.dictionary_encode()
    encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    places: dict[str, tuple[int, int]] = {}
    distinct = np.zeros((len(encoded.dictionary) + 1, TEXT_SIZE), np.float32)  # the last row is for null
    for row, text in enumerate(encoded.dictionary.to_pylist()):
        for word in _WORD.findall(text.lower()):
            if word not in places:
                hashed = hash_text(word)
                places[word] = (hashed % TEXT_SIZE, 1 if hashed // TEXT_SIZE % 2 else -1)
            place, sign = places[word]
            distinct[row, place] += sign
    norm = np.linalg.norm(distinct, axis=1, keepdims=True)
    distinct /= np.where(norm > 0, norm, 1)
    return distinct[encoded.indices.fill_null(len(encoded.dictionary)).to_numpy(zero_copy_only=False)]
