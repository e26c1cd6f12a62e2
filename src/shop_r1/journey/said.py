"""What shoppers said, clustered: sentences that share their words stand together.

A sentence is a TF-IDF vector of its words: lower-case words, any number as one word, those of a single
sentence left out (a product's name would tell every sentence from every other), weighted by
1 + log((1 + n) / (1 + sentences with the word)) and made one long. Equal sentences count as often as they
were said. Clusters are those of average linkage on cosine distances, cut at `CUT`: no seed, and the same for
any order. A cluster's sentence is its most central one, nearest to all others on average.
"""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from shop_r1.records.journeys import Said, SaidCluster
from shop_r1.statistics.resampling import Floats

CUT = 0.75
"""Of cosine distance, at which two clusters are no longer one. Ours, by looking at scripted rationales."""
CLUSTERS_SHOWN = 3
SENTENCES_MAX = 1_500
"""Different sentences that are clustered, the most frequent ones; 18 MB of distances. Others are counted."""
SENTENCE_CHARS = 240
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*|\d+(?:[.,]\d+)*")


def gather_said(said: Sequence[tuple[str, str | None]]) -> Said:
    """Return what was said in clusters, the largest first; each is a session and its sentence, in order."""
    spoken = [(session, " ".join(text.split())) for session, text in said if text and text.strip()]
    first = {text: session for session, text in reversed(spoken)}
    counts = Counter(text for _, text in spoken)
    kept = sorted(counts, key=lambda text: (-counts[text], text))[:SENTENCES_MAX]
    clusters = _cluster(kept, [counts[text] for text in kept])
    shown = clusters[:CLUSTERS_SHOWN]
    return Said(
        visits=len(spoken),
        silent=len(said) - len(spoken),
        clusters=tuple(
            SaidCluster(visits=size, sentence=text[:SENTENCE_CHARS], session_id=first[text])
            for text, size in shown
        ),
        others=len(spoken) - sum(size for _, size in shown),
        other_clusters=len(clusters) - len(shown) + len(counts) - len(kept),
    )


def _cluster(texts: Sequence[str], counts: Sequence[int]) -> list[tuple[str, int]]:
    """Return the clusters' most central sentences with how often theirs were said, the largest first."""
    if not texts:
        return []
    vectors = weigh_words(texts)
    apart = np.clip(1 - vectors @ vectors.T, 0.0, 1.0)
    np.fill_diagonal(apart, 0.0)
    labels = np.ones(1, dtype=int)
    if len(texts) > 1:
        tree = hierarchy.linkage(squareform(apart, checks=False), method="average")
        labels = hierarchy.fcluster(tree, t=CUT, criterion="distance")
    weights = np.array(counts, dtype=np.float64)
    found = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        means = (apart[np.ix_(members, members)] * weights[members]).sum(axis=1)
        central = texts[members[int(np.argmin(means.round(9)))]]
        found.append((central, int(weights[members].sum())))
    return sorted(found, key=lambda each: (-each[1], each[0]))


def weigh_words(texts: Sequence[str]) -> Floats:
    """Return (texts, words), each row of length 1; a text without a shared word has a word of its own."""
    words = [Counter(_words(text)) for text in texts]
    documents = Counter(word for each in words for word in each)
    shared = {word: at for at, word in enumerate(sorted(w for w, n in documents.items() if n > 1))}
    lonely = [at for at, each in enumerate(words) if not any(word in shared for word in each)]
    found = np.zeros((len(texts), len(shared) + len(lonely)))
    for row, each in enumerate(words):
        for word, count in each.items():
            if word in shared:
                weight = 1 + np.log((1 + len(texts)) / (1 + documents[word]))
                found[row, shared[word]] = count * weight
    for place, row in enumerate(lonely):
        found[row, len(shared) + place] = 1.0
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    weighted: Floats = found / lengths
    return weighted


def _words(text: str) -> list[str]:
    return ["#" if word[0].isdigit() else word for word in _WORD.findall(text.casefold())]
