"""Hashes, text and columns."""

import unicodedata
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.graph.columns import describe, encode
from models.graph.hashing import hash_keys, hash_text
from models.graph.text import TEXT_SIZE, bag_of_words, words_of
from models.spec.nodes import parse_feature

WORDS = TEXT_SIZE - 1
"""The last component says whether there is a text."""


def test_hashes_never_change() -> None:
    """ID embeddings of trained models hang on these very numbers."""
    assert hash_keys(pa.array([0, 1, -1])).tolist() == [7070836379803831727, 1227844342346046657, 7266964230113668128]
    assert hash_keys(pa.array(["", "a"])).tolist() == [3797230976420062948, 3405396810240292928]


@given(st.lists(st.integers(-(2**63), 2**63 - 1), unique=True, max_size=50))
def test_hashes_are_63_bits_and_tell_keys_apart(keys: list[int]) -> None:
    hashes = hash_keys(pa.array(keys, pa.int64()))
    assert (hashes >= 0).all()
    assert len(set(hashes.tolist())) == len(keys)


def test_words_count_and_nothing_else_does() -> None:
    texts = pa.array(["Big NEWS today", "today: news, big!", "other words", None, "", "?!"])
    bags = bag_of_words(texts)
    assert bags.shape == (6, TEXT_SIZE)
    assert np.array_equal(bags[0], bags[1])
    assert not np.array_equal(bags[0], bags[2])
    assert np.linalg.norm(bags[:3, :WORDS], axis=1) == pytest.approx([1, 1, 1])
    assert not bags[3:, :WORDS].any()
    assert bags[:, WORDS].tolist() == [1, 1, 1, 0, 1, 1]
    assert bag_of_words(pa.array([], pa.string())).shape == (0, TEXT_SIZE)


def test_a_word_adds_one_with_its_sign_at_its_hash() -> None:
    words = [f"word{number}" for number in range(40)]
    expected = np.zeros((40, WORDS))
    for row, word in enumerate(words):
        hashed = hash_text(word)
        expected[row, hashed % WORDS] = 1 if (hashed // WORDS) % 2 else -1
    np.testing.assert_array_equal(bag_of_words(pa.array(words))[:, :WORDS], expected)
    assert (expected == 1).any()
    assert (expected == -1).any()


def test_missing_values_of_every_kind() -> None:
    kinds = {"size": "number", "group": "category", "about": "text", "place": "vector[2]"}
    features = [parse_feature(name, kind) for name, kind in kinds.items()]
    columns = {
        "size": pa.chunked_array([pa.array([1.5, None, float("inf")])]),
        "group": pa.chunked_array([pa.array(["b", None, "a"])]),
        "about": pa.chunked_array([pa.array(["x", None, ""])]),
        "place": pa.chunked_array([pa.array([[1.0, float("nan")], None, [2.0, 3.0]])]),
    }
    described = describe(features, [columns])
    encoded = encode(features, described, columns, 3)
    assert described[1].vocabulary == ("a", "b")
    assert encoded.numbers[0, 0] == 1.5
    assert encoded.numbers[1:].isnan().all()
    assert encoded.categories[:, 0].tolist() == [2, 0, 1]
    assert encoded.vectors[:, WORDS].tolist() == [1, 0, 1]  # a missing text is not an empty one
    assert encoded.vectors[:, TEXT_SIZE:].tolist() == [[1, 0], [0, 0], [2, 3]]


def test_what_is_not_finite_in_a_vector_is_zero() -> None:
    feature, inf = parse_feature("place", "vector[4]"), float("inf")
    columns = {"place": pa.chunked_array([pa.array([[inf, -inf, None, float("nan")], [1.0, 2.0, 3.0, 4.0]])])}
    vectors = encode([feature], describe([feature], [columns]), columns, 2).vectors
    assert vectors.tolist() == [[0, 0, 0, 0], [1, 2, 3, 4]]


def test_whole_numbers_are_rounded_to_float32() -> None:
    feature = parse_feature("size", "number")
    columns = {"size": pa.chunked_array([pa.array([2**24 + 1, -3])])}
    assert encode([feature], describe([feature], [columns]), columns, 2).numbers.tolist() == [[2**24], [-3]]


@pytest.mark.parametrize("kind", [pa.list_, pa.large_list])
def test_vectors_come_in_lists_of_either_size(kind: Callable[[pa.DataType], pa.DataType]) -> None:
    feature = parse_feature("place", "vector[2]")
    columns = {"place": pa.chunked_array([pa.array([[1.0, 2.0]], kind(pa.float64()))])}
    assert encode([feature], describe([feature], [columns]), columns, 1).vectors.tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("\u2014 ?! \u0964 ...", []),
        ("New_York 2026, it's", ["new_york", "2026", "it", "s"]),
        ("Straße STRASSE", ["strasse", "strasse"]),
        ("cafe\u0301 CAFÉ", ["café", "café"]),  # an accent of its own is the composed letter
        ("Новости, НОВОСТИ", ["новости", "новости"]),
        ("हिन्दी समाचार।", ["हिन्दी", "समाचार"]),  # vowel signs are inside of a word, the danda ends it
        ("שָׁלוֹם", ["שָׁלוֹם"]),
        ("كِتَاب", ["كِتَاب"]),
        ("뉴스 오늘", ["뉴스", "오늘"]),
        ("東京都の天気", ["東京", "京都", "都の", "の天", "天気"]),
        ("猫", ["猫"]),
        ("iPhone買う", ["iphone", "買う"]),
        ("ＡＢＣ ｶﾒﾗ", ["abc", "カメ", "メラ"]),  # wide letters, narrow kana
        ("ข่าว", ["ข่", "่า", "าว"]),
        ("🎉 party", ["party"]),
    ],
)
def test_words_of_every_script(text: str, words: list[str]) -> None:
    assert words_of(text) == [unicodedata.normalize("NFKC", word) for word in words]


@given(st.text())
def test_any_text_has_a_vector_of_length_one_or_no_words(text: str) -> None:
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        return  # no UTF-8: no column has it
    (bag,) = bag_of_words(pa.array([text]))
    assert np.linalg.norm(bag[:WORDS]) == pytest.approx(0, abs=1e-6) or np.linalg.norm(bag[:WORDS]) == pytest.approx(1)
    assert bag[WORDS] == 1


def test_words_of_either_sign_weigh_the_same() -> None:
    """Single words are +1 or -1 at their place; of two at different places each is that over the root of two."""
    single = bag_of_words(pa.array([f"word{number}" for number in range(40)]))[:, :WORDS]
    place, sign = np.abs(single).argmax(axis=1), single.sum(axis=1)
    minus = int(np.flatnonzero(sign < 0)[0])
    plus = int(np.flatnonzero((sign > 0) & (place != place[minus]))[0])
    (both,) = bag_of_words(pa.array([f"word{plus} word{minus}"]))[:, :WORDS]
    np.testing.assert_allclose(both, (single[plus] + single[minus]) / np.sqrt(2), rtol=1e-6)


def test_no_features_and_no_rows() -> None:
    encoded = encode([], (), {}, 4)
    assert [tuple(tensor.shape) for tensor in encoded] == [(4, 0), (4, 0), (4, 0)]
    feature = parse_feature("group", "category")
    empty = {"group": pa.chunked_array([], pa.string())}
    assert encode([feature], describe([feature], [empty]), empty, 0).categories.shape == (0, 1)
