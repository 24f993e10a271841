"""Small corpora with questions."""

import numpy as np

from leafsearch.ingest import Document

WORDS = [
    "ash",
    "bay",
    "cod",
    "dew",
    "elm",
    "fig",
    "gum",
    "hay",
    "ivy",
    "jay",
    "kit",
    "log",
    "mud",
    "nut",
    "oak",
    "pea",
    "rye",
    "sea",
    "tin",
    "urn",
]


QUESTION = "ash elm oak sea"


def corpus(n: int = 300) -> list[Document]:
    random = np.random.default_rng(5)
    return [
        Document(
            str(i), " ".join(random.choice(WORDS, size=9)), metadata={"n": i, "even": i % 2 == 0}
        )
        for i in range(n)
    ]


def books(n: int = 6, sentences: int = 40) -> list[Document]:
    """Documents of several chunks, whose sentences are numbered."""
    random = np.random.default_rng(7)
    return [
        Document(
            f"book{i}",
            " ".join(
                f"Sentence {s} of {i} has {' '.join(random.choice(WORDS, size=7))}."
                for s in range(sentences)
            ),
            f"Book {i}",
            {"shelf": i % 2, "title": f"Book {i}"},
        )
        for i in range(n)
    ]
