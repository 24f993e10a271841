"""The target of a run: the collection that its chunks go to, as the manifest says.

`settle_overlap` ends a run beside which others have written: it checks what the run claims and
repairs what the others undid. A run that ends well has written nothing after the check that found
all its claims true, so the collection is what these runs would have made one after another, in the
order of their checks.
"""

import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

from pymongo.database import Database

from leafsearch.config import Settings, Storage
from leafsearch.config.analyzers import STANDARD
from leafsearch.config.storage import UNTUNED, IndexTuning, quantizes_int8
from leafsearch.config.text import counted
from leafsearch.ingest.chunking.chunker import Chunker
from leafsearch.ingest.chunking.whole import MeanEncoder, WholeTexts
from leafsearch.ingest.errors import OverlapError, TargetError
from leafsearch.ingest.target.analyzer import choose_analyzer
from leafsearch.ingest.target.claims import Claims
from leafsearch.ingest.target.form import FITTED_ON, FormDecision
from leafsearch.ingest.target.reconcile import follow, holds_ours, reconcile
from leafsearch.vectors import (
    Codec,
    CodecError,
    Collection,
    DeploymentError,
    IndexDiffers,
    IndexSkips,
    Manifest,
    ManifestError,
    Rows,
    SearchIndexError,
    Teacher,
    collection_of,
    explain_errors,
    load_encoder,
    load_tokenizer,
)
from leafsearch.vectors.encoders import load_with_key
from leafsearch.vectors.store import (
    Estimate,
    Form,
    FormChoice,
    Registration,
    RetryBudget,
    read_generation,
    read_generations,
    require_equal,
    require_int8_quantized,
)

log = logging.getLogger(__name__)

_SCALED_ON = 512  # first chunks; their largest value is the scale of int8
_PAUSE = 0.2  # seconds, for another run to bring the index in line
_TRIAL_SECONDS = 120.0
_ROUNDS = 5
_BETWEEN_ROUNDS = (
    1.0  # seconds at most; random, so that one of two runs that undo each other is faster
)
_MOST = 200_000  # documents to write again; their ids are held in memory

OnStatus = Callable[[str], None]
Lost = set[str]


def load_teacher(
    manifest: Manifest,
    settings: Settings,
    *,
    retry_for: float,
    devices: Sequence[str] | None = None,
) -> Teacher:
    """Load the teacher in the manifest's precision, so that all vectors of a collection agree.

    `retry_for` and `devices` as for load_encoder. Raises ModelError.
    """
    model = manifest.teacher
    teacher = load_with_key(
        settings,
        model.name,
        lambda key: load_encoder(
            model.name,
            revision=model.revision,
            key=key,
            devices=devices,
            precision=manifest.encode_precision or settings.encode_precision,
            retry_for=retry_for,
        ),
        variable="LEAF_TEACHER",
    )
    if manifest.encode_precision is None and teacher.encode_precision is not None:
        log.warning(
            "collection %s: leafsearch 0.1 did not record in which precision its vectors were "
            "encoded; new ones are encoded in %s. Choose another with --encode-precision; "
            "--rebuild records it",
            settings.collection,
            teacher.encode_precision,
        )
    return teacher


class Target:
    """A collection to write to. Nothing is written before the first vectors are there."""

    def __init__(
        self,
        database: Database[Any],
        settings: Settings,
        manifest: Manifest,
        teacher: Teacher | None = None,
        *,
        decision: FormDecision | None = None,
        tuning: IndexTuning = UNTUNED,
        by_language: bool = False,
        retries: RetryBudget | None = None,
        on_status: OnStatus = lambda phase: None,
    ) -> None:
        """A `teacher` means that the collection is new; otherwise the manifest names the
        teacher, and `on_status` is called when it is loaded. The form of a new one is a
        `decision` by its first chunks. `tuning` is what this run asks of the index; the manifest
        has it already. `by_language`: the first texts decide on the analyzer of the words."""
        name = settings.collection
        self.is_new = teacher is not None
        self._loaded = teacher
        self._on_status = on_status
        self._database = database
        self._name = name
        self._settings = settings
        self._is_settled = False
        self._decision = decision or FormDecision()
        self._tuning = tuning
        self._by_language = by_language
        self.analyzer_reason = ""  # why the words have their analyzer, if this run chose it
        self.form_reason = ""  # why a new collection stores its vectors as it does
        self.retries = retries or RetryBudget()
        self.claims = Claims()
        self.registration = Registration(database, name, self.retries)
        self.collection = collection_of(database[name], manifest, self.retries)
        self.collection.announce = self.registration.renew
        model = manifest.teacher
        chunker = Chunker(
            load_tokenizer(model.name, revision=model.revision),
            max_tokens=teacher.max_tokens if teacher else manifest.chunk_tokens,
            tokens=manifest.chunk_tokens,
            overlap=manifest.chunk_overlap,
            prompt=model.document_prompt,
            heading_trail=manifest.heading_trail,
        )
        self.chunker = WholeTexts(chunker) if manifest.layout == "in_place" else chunker

    @property
    def teacher(self) -> Teacher:
        """Loaded when there is something to encode: most runs over a corpus find nothing new."""
        if self._loaded is None:
            self._on_status(f"loading {self.manifest.teacher.name}")
            self._loaded = load_teacher(
                self.manifest, self._settings, retry_for=self.retries.seconds
            )
            self._on_status("encoding the first chunks")
        if isinstance(self.chunker, WholeTexts):
            return MeanEncoder(self._loaded, self.chunker.parts)
        return self._loaded

    def end_teacher(self) -> None:
        """End the teacher's processes; it is loaded again when it is needed."""
        if self._loaded is not None:
            self._loaded.close()

    def close(self) -> None:
        self.end_teacher()
        self.registration.leave(trace=not self.is_new)
        self.claims.close()

    @property
    def manifest(self) -> Manifest:
        return self.collection.manifest

    @property
    def form(self) -> Form:
        """The form of its vectors; the first chunks of a new collection may decide it."""
        return self.manifest.codec.form

    @property
    def calibrated_on(self) -> int:
        """How many first chunks, in one batch, decide the form and the scale of int8; 0 if there
        is nothing to decide."""
        if not self.is_new:
            return 0
        if self._decision.is_open(self.manifest):
            return FITTED_ON
        return _SCALED_ON if "int8" in (self.manifest.precision, self.manifest.beside) else 0

    def prepare(self, rows: Rows, texts: Sequence[str] = ()) -> None:
        """Create the collection as `write` would for these first rows; nothing if it exists.

        The `texts` of the rows give queries that help to choose the form, and have a language.
        """
        if self.is_new:
            self._agree(rows, texts)

    def compare_forms(self, rows: Rows, texts: Sequence[str]) -> tuple[Form, list[Estimate]]:
        """The form that a new collection would have, and what it and others would keep."""
        return self._decision.compare(self.manifest, rows, texts)

    def write(
        self,
        chunks: Sequence[Mapping[str, Any]],
        rows: Rows,
        *,
        seen: Mapping[str, bytes | None] | None = None,
    ) -> dict[str, str]:
        """Write n chunks in their stored form, with `rows`: (n, the teacher's dimensions).

        Returns ids and reasons of chunks that the server refuses; for `seen` see
        Collection.write.
        """
        try:
            if self.is_new:
                self.prepare(rows, [str(chunk.get("text", "")) for chunk in chunks])
            vectors = self.manifest.vectors_of(rows)
        except CodecError as error:
            if error.row is None:
                raise
            raise CodecError(f"chunk {chunks[error.row]['_id']}: {error}") from error
        self.ensure_index()
        self.require_generation()
        return self.collection.write(chunks, vectors, seen=seen)

    def ensure_index(self) -> None:
        """Bring manifest and indexes in line with what was requested; nothing for a collection
        without vectors."""
        if self._is_settled:
            return
        generation = self.manifest.generation
        if self.is_new and not self.retries.run(
            lambda: holds_ours(self._database, self._name, generation)
        ):
            return
        self._settle(self.manifest)

    def wait_until_ready(
        self, chunk: str | None, *, seconds: float, on_status: Callable[[str], None]
    ) -> None:
        """See Collection.wait_until_ready; adopts what other runs add to the index meanwhile."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                left = max(deadline - time.monotonic(), 0)
                return self.collection.wait_until_ready(chunk, seconds=left, on_status=on_status)
            except IndexDiffers:
                if time.monotonic() > deadline:
                    raise
            time.sleep(_PAUSE)
            self._adopt(follow(self._database, self._name, self.manifest, self.retries))

    def require_active(self) -> None:
        """Raises TargetError if searches have switched to another generation since the target
        was opened."""
        if self.is_new:
            return
        generation = self.manifest.generation
        with explain_errors():
            seen = self.retries.run(lambda: read_generations(self._database, self._name))
        if seen.active.generation != generation:
            raise TargetError(
                f"searches of {self._name} switched from generation {generation} to "
                f"{seen.active.generation} during this run. Run it again, so that both have the "
                "new documents"
            )

    def require_generation(self) -> None:
        """Write nothing under a generation that was retired meanwhile, or that now has another
        form.

        Raises TargetError or ManifestError.
        """
        if self.is_new:
            return
        generation = self.manifest.generation
        with explain_errors():
            stored = self.retries.run(
                lambda: read_generation(self._database, self._name, generation)
            )
        require_equal(stored, self.manifest, self._name)
        if stored.transform != self.manifest.transform:
            raise TargetError(
                f"the transform of collection {self._name} differs from the one at the beginning "
                "of this run: another run has replaced the collection. Run this again"
            )
        if stored.scale != self.manifest.scale:
            raise TargetError(
                f"the int8 scale of collection {self._name} is {stored.scale}; expected "
                f"{self.manifest.scale}, as when this run began: another run has replaced the "
                "collection. Run this again"
            )

    def _agree(self, rows: Rows, texts: Sequence[str]) -> None:
        """Write the manifest before the vectors, so that a run killed in between can go on."""
        tuning = self.manifest.tuning
        if self._by_language:
            analyzer, self.analyzer_reason = choose_analyzer(texts)
            if analyzer != STANDARD:
                tuning = replace(tuning, text_analyzer=analyzer)
        choice = FormChoice(self.form, None, self._decision.needless)
        if self._decision.is_open(self.manifest):
            choice = self._decision.choose(self.manifest, *self._deciding(rows, texts))
        form = choice.form
        if quantizes_int8(form.precision, self.manifest.quantization):
            self._try_int8_quantized()
        codec = Codec.calibrate(
            form.dimensions, form.precision, rows, choice.transform, form.beside
        )
        wanted = replace(
            _stored_as(form, self.manifest),
            scale=codec.scale,
            transform=choice.transform,
            tuning=tuning,
        )
        try:
            self._settle(wanted)
        except (ManifestError, IndexDiffers):
            if not self._decision.asked.most_bytes:
                raise
            self._settle_on_theirs(wanted)
        self._decision.require_adopted(choice, self.manifest, self._name)
        self.form_reason = choice.reason
        if self.manifest.transform != choice.transform or self.form != form:
            self.form_reason = f"another first run chose the form: {self.form}"

    def _settle_on_theirs(self, wanted: Manifest) -> None:
        """Adopt the form that another first run chose, if it fits into --bytes."""
        with explain_errors():
            theirs = self.retries.run(
                lambda: read_generation(self._database, self._name, wanted.generation)
            )
        self._decision.require_fit(theirs, self._name)
        self._settle(
            replace(
                _stored_as(theirs.codec.form, wanted),
                scale=theirs.scale,
                transform=theirs.transform,
            )
        )

    def _deciding(self, rows: Rows, texts: Sequence[str]) -> tuple[Rows, Sequence[str]]:
        """Rows and texts that decide the form: the first ones, or more if there are more."""
        draw_chunks = self._decision.draw_chunks
        if draw_chunks is None or len(rows) < FITTED_ON:
            return rows, texts
        self._on_status("reading chunks from all over the collection")
        with explain_errors():
            drawn = self.retries.run(partial(draw_chunks, FITTED_ON))
        if len(drawn) < FITTED_ON:
            return rows, texts
        self._on_status(f"encoding {FITTED_ON:,} chunks from all over the collection")
        drawn_rows = self.teacher.encode_documents([chunk.encoded_text for chunk in drawn])
        return drawn_rows, [chunk.text for chunk in drawn]

    def _try_int8_quantized(self) -> None:
        """Raises IndexSkips if the index would stay empty, before anything is written."""
        try:
            with explain_errors():
                self.retries.run(
                    lambda: require_int8_quantized(self._database, seconds=_TRIAL_SECONDS)
                )
        except IndexSkips:
            raise
        except (DeploymentError, SearchIndexError) as error:
            log.warning(
                "whether this server quantizes int8 to bits could not be tried (%s); the end of "
                "this run shows it",
                error,
            )

    def _settle(self, manifest: Manifest) -> None:
        retries = self.retries
        place, tuning = (self._database, self._name), self._tuning
        self._adopt(retries.run(lambda: reconcile(*place, manifest, retries, tuning)))
        self.is_new, self._is_settled = False, True

    def _adopt(self, collection: Collection) -> None:
        """Use the collection with another manifest; what is known of its documents stays known."""
        collection.announce = self.registration.renew
        collection.outrun |= self.collection.outrun
        self.collection = collection


def _stored_as(form: Form, manifest: Manifest) -> Manifest:
    return replace(
        manifest,
        dimensions=form.dimensions,
        precision=form.precision,
        beside=form.beside,
        similarity=Storage(precision=form.precision).similarity,
    )


def settle_overlap(
    target: Target,
    repair: Callable[[Lost], None],
    *,
    leftover: Callable[[], bool] | None = None,
) -> None:
    """Check what the run claims until all of it is stored, unless no other run was active.

    `mend` writes lost documents once more, and removes what `leftover` finds. Raises
    OverlapError if other runs keep undoing it.
    """
    for left in reversed(range(_ROUNDS)):
        collection = target.collection
        outrun, collection.outrun = collection.outrun, set()
        alone = target.registration.was_alone()
        if alone and not outrun:
            return
        if not alone:
            target.require_generation()
        lost = outrun if alone else outrun | set(islice(target.claims.broken(collection), _MOST))
        if not lost and (alone or leftover is None or not leftover()):
            return
        if not left or len(lost) >= _MOST:
            raise overlap_error(lost, target)
        time.sleep(random.uniform(0, _BETWEEN_ROUNDS))
        target.claims.renew(lost)
        repair(lost)


def overlap_error(lost: Lost, target: Target) -> OverlapError:
    some = ", ".join(sorted(lost)[:3]) + (", ..." if len(lost) > 3 else "")
    what = (
        f"{counted(len(lost), 'document')} ({some})" if lost else "documents that --prune removes"
    )
    return OverlapError(
        f"collection {target.collection.mongo.full_name}: another run wrote {what} at the same "
        "time; expected what this run wrote. Run this again when the other run has ended"
    )
