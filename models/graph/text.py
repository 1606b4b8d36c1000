"""Text as a small vector: a signed hashed bag of words (Weinberger et al. 2009), and whether there is a text."""

import re
import unicodedata
from collections import Counter

import numpy as np
import pyarrow as pa

from models.graph.hashing import hash_text

_WORDS = 32
"""Components that words are hashed into."""
TEXT_SIZE = _WORDS + 1
"""Components of the vector of a text; the last is 1 for every text that is not missing, also for an empty one."""
_MOST = 100_000
"""Characters of a text that are read."""
_UNSPACED = (
    "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff"
)
"""Thai, Lao, Tibetan, Burmese, Khmer, kana, Chinese characters: written without spaces between words."""
_MARKS = (
    "\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc"
    "\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u0900-\u0963\u0966-\u0dff\u200c\u200d"
)
"""Accents, vowel signs and joiners, which are no letters but inside of words (Hebrew, Arabic, the scripts of India)."""
_PART = re.compile(rf"[{_UNSPACED}]+|(?:(?![{_UNSPACED}])[\w{_MARKS}])+")
_IS_UNSPACED = re.compile(rf"[{_UNSPACED}]")


def words_of(text: str) -> list[str]:
    """The words of a text: without case, accents composed, wide and narrow forms as one.

    A run of a script that has no spaces between words gives its overlapping pairs of characters instead.
    """
    folded = unicodedata.normalize("NFKC", text).casefold() if not text.isascii() else text.lower()
    folded = folded[:_MOST]  # one character may fold to eighteen
    found: list[str] = []
    for part in _PART.findall(folded):
        if len(part) > 2 and _IS_UNSPACED.match(part):
            found += [part[place : place + 2] for place in range(len(part) - 1)]
        else:
            found.append(part)
    return found


def bag_of_words(texts: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """Vectors of texts, (n,) strings -> (n, 33) float32.

    Each word adds +1 or -1 at its hash, and the words' components have length 1, or 0 without words. A missing text is
    zeros; an empty one, or one without words, has its last component alone.
    """
    encoded = texts.dictionary_encode()
    encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    places: dict[str, tuple[int, int]] = {}
    distinct = np.zeros((len(encoded.dictionary) + 1, TEXT_SIZE), np.float32)  # the last row is for null
    for row, text in enumerate(encoded.dictionary.to_pylist()):
        for word, count in Counter(words_of(text)).items():
            if word not in places:
                hashed = hash_text(word)
                places[word] = (hashed % _WORDS, 1 if hashed // _WORDS % 2 else -1)
            place, sign = places[word]
            distinct[row, place] += sign * count
    norm = np.linalg.norm(distinct, axis=1, keepdims=True)
    distinct /= np.where(norm > 0, norm, 1)
    distinct[:-1, _WORDS] = 1
    return distinct[encoded.indices.fill_null(len(encoded.dictionary)).to_numpy(zero_copy_only=False)]
