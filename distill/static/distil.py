"""Distils a static student: texts, the teacher's vectors, rows, training."""

from collections.abc import Sequence
from contextlib import closing

import numpy as np
from tokenizers import Tokenizer

from leafsearch.distill.data.examples import Example, hold_out
from leafsearch.distill.data.targets import compute_targets
from leafsearch.distill.errors import DistillError
from leafsearch.distill.request import Distilled, DistillRequest, Listener
from leafsearch.distill.static.fit import fit, mean_cosine
from leafsearch.distill.static.recipe import StaticRecipe
from leafsearch.distill.static.student import StaticStudent
from leafsearch.distill.static.tokens import TokenLists, first_rows
from leafsearch.distill.static.vocabulary import grow
from leafsearch.vectors.encoders import TransformerEncoder, Words


def distil_static(
    order: DistillRequest, recipe: StaticRecipe, teacher: TransformerEncoder, listener: Listener
) -> Distilled:
    """A killed run resumes with the vectors that the teacher has given; the rows begin again."""
    examples = order.texts.read(listener.on_rejected)
    listener.on_status(f"{len(examples):,} texts to learn from")
    examples = _readable(teacher, examples)
    kept, out = map(np.array, hold_out(examples))
    if len(kept) < recipe.rows or not len(out):
        raise DistillError(
            f"{len(examples)} texts are too few to learn from; expected a few thousand or more"
        )
    tokenizer = _tokenizer(teacher, [examples[i].text for i in kept], recipe.vocabulary)
    if recipe.vocabulary:
        listener.on_status(f"the vocabulary has {tokenizer.get_vocab_size():,} entries")
    lists = TokenLists.of(tokenizer, [one.text for one in examples], teacher.max_tokens)
    with closing(teacher):  # ends its worker processes; the model of this one stays
        wanted = compute_targets(teacher, examples, order.work, listener.on_encoded)
        listener.on_status("the teacher encodes the vocabulary")
        begun = first_rows(teacher, tokenizer, lists)
    is_query = np.array([one.is_query for one in examples])
    phases = [part for part in (kept, kept[is_query[kept]]) if len(part)]
    rows = fit(begun, lists, wanted, phases, recipe, listener.on_step)
    return Distilled(
        student=StaticStudent(rows, tokenizer, teacher.max_tokens, recipe.bits),
        teacher=teacher,
        layers=(),
        examples=len(examples),
        held_out=len(out),
        cosine=mean_cosine(rows, lists, wanted, out),
        cosine_before=mean_cosine(begun, lists, wanted, out),
        resumed=0,
    )


def _readable(teacher: TransformerEncoder, examples: Sequence[Example]) -> list[Example]:
    """Words are cut as in documents and queries."""
    texts = Words(teacher.tokenizer).write([one.text for one in examples])
    pairs = zip(examples, texts, strict=True)
    return [Example(text, one.is_query, one.place) for one, text in pairs]


def _tokenizer(teacher: TransformerEncoder, texts: Sequence[str], vocabulary: int) -> Tokenizer:
    if vocabulary:
        return grow(teacher.tokenizer, texts, vocabulary)
    return Tokenizer.from_str(teacher.tokenizer.to_str())
