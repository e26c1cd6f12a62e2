import numpy as np
import pytest

from shop_r1.journey import said
from shop_r1.journey.said import gather_said, weigh_words


def test_sentences_that_share_their_words_stand_together() -> None:
    spoken = [
        *((f"d{number}", f"${number}.99 is more than I want to pay.") for number in range(3)),
        ("d3", "That is more than I want to pay."),
        ("n1", "No result is a red mug, so I leave."),
        ("n2", "No result is a green kettle, so I leave."),
        ("s", None),
        ("t", "  "),
    ]
    found = gather_said(spoken)
    assert (found.visits, found.silent, found.others, found.other_clusters) == (6, 2, 0, 0)
    assert [each.visits for each in found.clusters] == [4, 2]
    # All numbers are one word, so three of the four are one vector; the first by its text stands for them.
    assert found.clusters[0].sentence == "$0.99 is more than I want to pay."
    assert found.clusters[0].session_id == "d0"


def test_the_central_sentence_is_nearest_to_all_as_often_as_they_were_said() -> None:
    often, seldom = "I do not like the price here", "I do not like the price here today or the colour today"
    between = f"{often} today"
    once = gather_said([("a", seldom), ("b", often), ("c", between)])
    assert (once.clusters[0].sentence, once.clusters[0].visits) == (between, 3)
    many = gather_said([("a", seldom), *((f"b{n}", often) for n in range(9)), ("c", between)])
    assert (many.clusters[0].sentence, many.clusters[0].visits) == (often, 11)


def test_clusters_beyond_those_shown_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("alpha", "beta", "gamma", "delta", "epsilon")
    spoken = [(f"{word}{n}", word) for at, word in enumerate(words) for n in range(5 - at)]
    found = gather_said(spoken)
    assert [each.visits for each in found.clusters] == [5, 4, 3]
    assert (found.others, found.other_clusters) == (2 + 1, 2)
    monkeypatch.setattr(said, "SENTENCES_MAX", 4)
    assert (gather_said(spoken).others, gather_said(spoken).other_clusters) == (3, 2)


def test_the_order_of_sentences_changes_nothing() -> None:
    spoken = [
        (f"s{n}", f"It costs ${n}, and {'that is dear' if n % 2 else 'I wait for it'}.") for n in range(20)
    ]
    forwards, backwards = gather_said(spoken), gather_said(spoken[::-1])
    assert [(each.sentence, each.visits) for each in forwards.clusters] == [
        (each.sentence, each.visits) for each in backwards.clusters
    ]


def test_vectors_are_scikit_learns_where_all_words_are_shared() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = ["red mug red", "mug dear", "red dear mug mug", "dear"]
    theirs = TfidfVectorizer(smooth_idf=True, norm="l2", token_pattern=r"\w+").fit_transform(texts).toarray()
    np.testing.assert_allclose(weigh_words(texts), theirs, atol=1e-12)


def test_sentences_without_a_shared_word_are_apart() -> None:
    assert (weigh_words(["one", "two"]) == np.eye(2)).all()
    assert gather_said([]) == gather_said([]).model_copy(update={"visits": 0, "clusters": ()})
