"""Queries that people might type: spans of texts, and questions made from terms by template."""

import random
import re
from collections.abc import Sequence

from offline_student.material import Term, sentences

GENERAL = (
    "what is {x}", "{x} definition", "{x} meaning", "what does {x} mean", "how does {x} work",
    "types of {x}", "examples of {x}", "history of {x}", "{x} explained", "why is {x} important",
    "difference between {x} and {y}", "{x} vs {y}", "{x} and {y}", "how does {x} affect {y}",
    "effect of {x} on {y}", "{x} used in {y}", "relationship between {x} and {y}", "{x} research",
    "measurement of {x}", "information about {x}", "applications of {x}", "who invented {x}",
    "analysis of {x}", "{x} in {y}", "theory of {x}", "can {x} cause {y}",
)  # fmt: skip
HEALTH = (
    "symptoms of {x}", "{x} treatment", "causes of {x}", "{x} risk factors", "how to prevent {x}",
    "is {x} dangerous", "diagnosis of {x}", "diet and {x}", "{x} in children", "drugs for {x}",
    "does {x} cause {y}", "can {y} help with {x}", "living with {x}", "{x} prognosis",
)  # fmt: skip
FOOD = (
    "is {x} healthy", "health benefits of {x}", "how to cook {x}", "{x} recipe", "{x} nutrition",
    "{x} and cancer risk", "how much {x} per day", "{x} or {y} which is better", "calories in {x}",
    "side effects of {x}", "{x} allergy", "where to buy {x}",
)  # fmt: skip
SUBSTANCE = (
    "side effects of {x}", "uses of {x}", "is {x} toxic", "{x} properties", "{x} in food",
    "chemical structure of {x}", "how is {x} made", "{x} exposure and {y}", "melting point of {x}",
)  # fmt: skip
NATURE = (
    "where does {x} live", "what does {x} look like", "{x} habitat", "how to identify {x}",
    "how to grow {x}", "how is {x} formed", "{x} life cycle", "{x} facts",
)  # fmt: skip
ACTION = (
    "how to {x}", "when should you {x}", "what does it mean to {x}", "best way to {x}",
    "why do people {x}", "is it safe to {x}", "{x} or {y}",
)  # fmt: skip
SOFTWARE = (
    "{x}", "how to install {x}", "{x} tutorial", "best {x}", "free {x}", "alternatives to {x}",
    "{x} example", "{x} error",
)  # fmt: skip
TEMPLATES = {
    "thing": GENERAL,
    "state": GENERAL + HEALTH + HEALTH,
    "disease": HEALTH + GENERAL[:10],
    "body": GENERAL + ("function of {x}", "{x} pain", "anatomy of {x}", "{x} disorders") * 3,
    "food": FOOD + GENERAL[:14],
    "substance": SUBSTANCE + GENERAL,
    "nature": NATURE + GENERAL[:14],
    "person": ("who is {x}", "who was {x}", "{x} biography", "what does {x} do", "life of {x}"),
    "place": ("where is {x}", "{x} population", "history of {x}", "things to do in {x}", "{x} map"),
    "action": (*ACTION, "{x} meaning"),
    "quality": (
        "what does {x} mean",
        "{x} definition",
        "{x} synonym",
        "{x} {y}",
        "opposite of {x}",
    ),
    "software": SOFTWARE,
    "acronym": ("what does {x} stand for", "{x} meaning", "{x} acronym", "{x} abbreviation"),
}
WEAK_WORDS = """
    a an the of in on at to for and or but by with from as is are was were be been that which this
    these those it its his her their our your my he she they we you i not no so if then than into
    upon such can may will would should could has have had do does did who whom whose
"""
WEAK = frozenset(WEAK_WORDS.split())
LETTERS = re.compile(r"[A-Za-z]{2}|\d|\b[aA]\b")
ASKING = ("what ", "how ", "why ", "is ", "can ", "does ", "who ", "where ", "when ")
EDGES = re.compile(r"^\W+|\W+$")


def spans(texts: Sequence[str], count: int, draw: random.Random) -> list[str]:
    """Runs of 2 to 8 words within a sentence, weak words at their ends left out."""
    long = [text for text in texts if text.count(" ") >= 5]
    found = []
    for text in draw.sample(long, min(count, len(long))):
        words = draw.choice(sentences(text)).split()
        length = draw.randint(2, 8)
        start = draw.randint(0, max(0, len(words) - length))
        span = trimmed(words[start : start + length])
        if len(span) >= 2 and all(LETTERS.search(word) for word in span):
            found.append(" ".join(span) if draw.random() < 0.3 else " ".join(span).lower())
    return found


def trimmed(words: Sequence[str]) -> list[str]:
    left = [bare for word in words if (bare := EDGES.sub("", word))]
    while left and left[0].lower() in WEAK:
        left.pop(0)
    while left and left[-1].lower() in WEAK:
        left.pop()
    return left


def questions(terms: Sequence[Term], count: int, draw: random.Random) -> list[str]:
    """One question a term; a second term, where a template has two, is another of its domain."""
    if not terms:
        return []
    chosen = [terms[draw.randrange(len(terms))] for _ in range(count)]
    domains: dict[str, list[str]] = {}
    for term in terms:
        domains.setdefault(term.domain, []).append(term.text)
    return [question(term, domains[term.domain], draw) for term in chosen]


def question(term: Term, others: Sequence[str], draw: random.Random) -> str:
    text = draw.choice(TEMPLATES[term.domain]).format(x=term.text, y=draw.choice(others))
    text = text if draw.random() < 0.3 else text.lower()
    return f"{text}?" if text.startswith(ASKING) and draw.random() < 0.4 else text
