"""Choose a form by what it keeps on a sample.

Whether a rotation keeps more than plain truncation is measured with student queries made from the
sample. A teacher trained for truncation (Matryoshka) keeps nearly all neighbours without a
rotation, and is left alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from leafsearch.config.storage import Precision
from leafsearch.config.text import counted
from leafsearch.vectors.forms.estimate import NEIGHBOURS, Estimate, Form, Sample
from leafsearch.vectors.forms.transform import Transform, fit_transform

CHOICES = ("auto", "none", "pca")
FEWEST = 256  # vectors; fewer decide nothing
FEWEST_BYTES = 10  # 64 bits
_LEAST_GAIN = 0.01  # of the neighbours
_SAME = 0.005  # of the quality
_STEP = 8  # dimensions; bits need it, and the others lose nothing by it
_CUTS = (1024, 768, 512, 384, 256, 192, 128, 64)
_WHEN_UNKNOWN: tuple[Precision, ...] = ("int8", "float32", "binary")  # of too few vectors


@dataclass(frozen=True)
class OpenForm:
    """What the first chunks decide: the transform (none, pca or auto), and, if `most_bytes` limits
    the vectors of a chunk, dimensions and precision too."""

    transform: str = "none"
    most_bytes: int | None = None


@dataclass(frozen=True)
class FormChoice:
    """`reason` is a line for the user; `plain` and `rotated` are None if not measured."""

    form: Form
    transform: Transform | None
    reason: str
    plain: Estimate | None = None
    rotated: Estimate | None = None


def choose_form(sample: Sample, form: Form, asked: str) -> FormChoice:
    """Choose the transform of a form; `asked` is one of CHOICES."""
    whole = sample.dimensions
    if asked == "none" or form.dimensions >= whole:
        return FormChoice(form, None, "transform none")
    if sample.distinct < FEWEST:
        few = f"{_too_few(sample)} measure it (expected {FEWEST} or more)"
        if asked == "auto":
            later = "--rebuild --transform auto measures it once there are more"
            return FormChoice(form, None, f"transform none: {few}; {later}")
        return _fitted(sample, form, f"transform pca, as asked: {few}")
    plain = sample.estimate(replace(form, is_rotated=False))
    rotated = sample.estimate(replace(form, is_rotated=True))
    kept = (
        f"{form.dimensions} of {whole} dimensions keep {rotated.neighbours:.1%} of the "
        f"{NEIGHBOURS} nearest neighbours with it and {plain.neighbours:.1%} without "
        f"({len(sample):,} chunks)"
    )
    if asked == "pca" or _is_better(rotated, plain):
        return replace(
            _fitted(sample, form, f"transform pca: {kept}"), plain=plain, rotated=rotated
        )
    return FormChoice(form, None, f"transform none: {kept}", plain, rotated)


def _too_few(sample: Sample) -> str:
    return f"{counted(sample.distinct, 'different chunk is', 'different chunks are')} too few to"


def _is_better(rotated: Estimate, plain: Estimate) -> bool:
    gains = rotated.neighbours >= plain.neighbours + _LEAST_GAIN
    return gains and rotated.quality >= plain.quality


def _fitted(sample: Sample, form: Form, reason: str) -> FormChoice:
    transform = fit_transform(sample.rows, form.dimensions)
    return FormChoice(replace(form, is_rotated=True), transform, reason)


def choose_form_by_bytes(sample: Sample, most: int, asked: str) -> FormChoice:
    """Choose the form of at most `most` bytes, 10 or more, that keeps the most.

    Where two keep the same, the smaller one wins, and bits come last: among more passages than the
    sample has, their candidates hold fewer of the best.
    """
    forms = list(_within(most, sample.dimensions))
    if sample.distinct < FEWEST:
        choice = choose_form(sample, _usual(forms), "none" if asked == "auto" else asked)
        reason = (
            f"{choice.form} ({choice.form.bytes:,} bytes a chunk): {_too_few(sample)} measure what "
            f"keeps more (expected {FEWEST} or more); --rebuild --bytes {most} measures it once "
            "there are more"
        )
        return replace(choice, reason=reason)
    found = [_estimate(sample, form, asked) for form in forms]
    highest = max(estimate.quality for estimate in found)
    same = [e for e in found if e.quality >= highest - _SAME]
    best = min(
        same,
        key=lambda e: (e.form.precision == "binary", e.form.bytes, -e.form.dimensions),
    )
    rest = "; ".join(f"{e.form} {e.quality:.1%}" for e in found if e is not best)
    reason = (
        f"{best.form} ({best.form.bytes:,} bytes a chunk) keeps an estimated {best.quality:.1%} of "
        f"the quality of whole vectors ({len(sample):,} chunks{'; ' if rest else ''}{rest})"
    )
    if best.form.is_rotated:
        return _fitted(sample, best.form, reason)
    return FormChoice(best.form, None, reason)


def compare_forms(sample: Sample, asked: str, also: Form | None = None) -> list[Estimate]:
    """What forms keep, by bytes, without those that keep no more than a smaller one does.

    `also` is shown in any case. Nothing is compared on fewer different documents than 256.
    """
    if sample.distinct < FEWEST:
        return []
    estimates = [_estimate(sample, form, asked) for form in _usual_forms(sample.dimensions)]
    estimates.sort(key=lambda e: (e.form.bytes, -e.quality))
    shown: list[Estimate] = []
    for estimate in estimates:
        if not shown or estimate.quality > shown[-1].quality + _SAME / 5:
            shown.append(estimate)
    if also is not None:
        shown = [*(e for e in shown if e.form != also), sample.estimate(also)]
        shown.sort(key=lambda e: (e.form.bytes, e.quality))
    return shown


def _estimate(sample: Sample, form: Form, asked: str) -> Estimate:
    """What the form keeps with the transform that `asked` means."""
    plain, rotated = (replace(form, is_rotated=r) for r in (False, True))
    if form.dimensions >= sample.dimensions or asked == "none":
        return sample.estimate(plain)
    one = sample.estimate(rotated)
    if asked == "pca":
        return one
    other = sample.estimate(plain)
    return one if _is_better(one, other) else other


def _within(most: int, whole: int) -> Iterator[Form]:
    """The largest form of each kind within `most` bytes."""
    each: tuple[tuple[Precision, Precision | None, int], ...] = (
        ("float32", None, (most - 2) // 4),
        ("int8", None, most - 2),
        ("binary", None, (most - 2) * 8),
        ("binary", "int8", (most - 4) * 8 // 9),
    )
    for precision, beside, room in each:
        dimensions = whole if room >= whole else room // _STEP * _STEP
        if precision == "binary":
            dimensions = dimensions // _STEP * _STEP
        if dimensions:
            yield Form(dimensions, precision, beside)


def _usual(forms: Sequence[Form]) -> Form:
    """What is taken where nothing can be measured."""
    single = {form.precision: form for form in forms if form.beside is None}
    usual = [single[p] for p in _WHEN_UNKNOWN if p in single]
    most = max(form.dimensions for form in usual)
    return next(form for form in usual if form.dimensions * 2 >= most)


def _usual_forms(whole: int) -> Iterator[Form]:
    cuts = [whole, *(cut for cut in _CUTS if cut < whole)]
    for cut in cuts:
        yield Form(cut, "float32")
        yield Form(cut, "int8")
    if in_bits := whole // _STEP * _STEP:
        yield Form(in_bits, "binary")
        yield Form(in_bits, "binary", "int8")
