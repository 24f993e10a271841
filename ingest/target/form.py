"""Decide the form of a new collection's vectors from its first chunks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from leafsearch.ingest.chunking.chunk import Chunk
from leafsearch.vectors import Codec, Encoder, Manifest, ManifestError, Rows
from leafsearch.vectors.store import (
    Estimate,
    Form,
    FormChoice,
    OpenForm,
    Sample,
    choose_form,
    choose_form_by_bytes,
    compare_forms,
    require_fields,
    sample_queries,
)

FITTED_ON = 2048  # first chunks, which decide the transform, or the form

DrawChunks = Callable[[int], Sequence[Chunk]]


@dataclass(frozen=True)
class FormDecision:
    """`asked` is what is open; queries of the `student` help to decide it. A rebuild, which knows
    all chunks, decides by those of `draw_chunks` instead of the first ones."""

    asked: OpenForm = field(default_factory=OpenForm)
    student: Encoder | None = None
    draw_chunks: DrawChunks | None = None

    def is_open(self, manifest: Manifest) -> bool:
        """Whether there is something to decide; without truncation a rotation gains nothing."""
        is_cut = manifest.dimensions < manifest.teacher.dimensions
        return self.asked.most_bytes is not None or (is_cut and self.asked.transform != "none")

    @property
    def needless(self) -> str:
        """What to say of a rotation that was asked for and has nothing to do."""
        if self.asked.transform != "pca":
            return ""
        return "transform none: all dimensions are kept, so a rotation gains nothing"

    def require_adopted(self, chosen: FormChoice, manifest: Manifest, collection: str) -> None:
        """Raises ManifestError if another first run stored the collection in a form that was not
        asked for."""
        if self.asked.transform != "auto" and manifest.transform != chosen.transform:
            kind = chosen.transform.kind if chosen.transform else "none"
            require_fields(manifest, {"transform": kind}, collection, {})

    def require_fit(self, manifest: Manifest, collection: str) -> None:
        """Raises ManifestError if the vectors of another first run take too many bytes."""
        form, most = manifest.codec.form, self.asked.most_bytes
        if most is not None and form.bytes > most:
            raise ManifestError(
                f"collection {collection} was just created by another run, with {form.bytes:,} "
                f"bytes of vectors a chunk ({form}); --bytes asks for at most {most:,}. Run this "
                "again with its --bytes, or name another --collection"
            )

    def choose(self, manifest: Manifest, rows: Rows, texts: Sequence[str]) -> FormChoice:
        """Choose by `rows`: (n, the teacher's dimensions), and their texts. Raises CodecError."""
        return self._choose(manifest, self._sample(manifest, rows, texts))

    def compare(
        self, manifest: Manifest, rows: Rows, texts: Sequence[str]
    ) -> tuple[Form, list[Estimate]]:
        """The form that `choose` chooses, and what it and others would keep."""
        sample = self._sample(manifest, rows, texts)
        chosen = self._choose(manifest, sample).form
        return chosen, compare_forms(sample, self.asked.transform, also=chosen)

    def _choose(self, manifest: Manifest, sample: Sample) -> FormChoice:
        if not self.is_open(manifest):
            return FormChoice(manifest.codec.form, None, "")
        if self.asked.most_bytes is not None:
            return choose_form_by_bytes(sample, self.asked.most_bytes, self.asked.transform)
        return choose_form(sample, manifest.codec.form, self.asked.transform)

    def _sample(self, manifest: Manifest, rows: Rows, texts: Sequence[str]) -> Sample:
        rows = Codec(manifest.teacher.dimensions, "float32").project(rows)
        if self.student is None or len(texts) != len(rows):
            return Sample.of_documents(rows)
        queries, own = sample_queries(texts)
        if not queries:
            return Sample.of_documents(rows)
        return Sample(rows, self.student.encode_queries(queries), own)
