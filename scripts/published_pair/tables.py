"""The Markdown of what was found, row by row as README.md and docs/quality.md have it."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict

from leafsearch.config import STORAGES, Storage
from leafsearch.evaluation import Format, Judged
from published_pair.results import Results

_ALONE = {
    "teacher alone": "teacher for documents and queries, `full`",
    "student alone": "student for both, `full`",
}
_README = ("mrl256-int8", "binary")


def as_markdown(results: Results) -> str:
    parts = [_readme(results), _quality(results), _measurements(results), _circumstances(results)]
    return "\n\n".join("\n".join(part) for part in parts)


def label(format: Format, whole: int) -> str:
    """The options of leaf-ingest that make this format of `whole` dimensions, as few as can be."""
    if format.name in _ALONE:
        return _ALONE[format.name]
    cut = format.dimensions < whole
    # Where two names need equally many options: that of a truncated form for a truncated form.
    names = sorted(
        STORAGES, key=lambda name: ((STORAGES[name].dimensions is None) == cut, name != "full")
    )
    options = {name: list(_options(STORAGES[name], format.storage, whole)) for name in names}
    name = min(names, key=lambda name: len(options[name]))
    rotated = [] if format.transform == "none" else [f"--transform {format.transform}"]
    shown = f"`{' '.join([name, *options[name], *rotated])}`"
    return shown if format.rescore is None else f"{shown}, `rescore={format.rescore}`"


def _options(named: Storage, wanted: Storage, whole: int) -> Iterator[str]:
    """What has to be given beside the name of a storage format."""
    there = {**asdict(named), "dimensions": named.dimensions or whole}
    for part, value in asdict(wanted).items():
        if value != there[part]:
            yield f"--{part.replace('_', '-')} {value}"


def _readme(results: Results) -> Iterator[str]:
    """The table of README's "Why", with a row for the loss of quality."""
    best = _best(results)
    shown = [row for name in _README for row in _labelled(results, f"`{name}`")]
    heads = [label(row.format, _whole(results)) for row in shown]
    columns = [best, *shown]
    teacher, student = (results.pair[side]["query_p50_ms"] for side in ("teacher", "student"))
    yield "For README.md:\n"
    yield f"| | one model on both sides | {' | '.join(f'leafsearch, {h}' for h in heads)} |"
    yield "|---" * (len(columns) + 1) + "|"
    yield f"| bytes a vector | {' | '.join(f'{row.sizes.vector:,}' for row in columns)} |"
    quality = [f"{best.ndcg:.3f}", *(f"{r.ndcg:.3f} ({_share(r, best, 0)})" for r in shown)]
    yield f"| quality | {' | '.join(quality)} |"
    times = [f"{teacher:.1f} ms", *(f"{student:.1f} ms" for _ in shown)]
    yield f"| encoding a query | {' | '.join(times)} |"


def _quality(results: Results) -> Iterator[str]:
    best, name = _best(results), results.about["collection"]["name"]
    yield "For docs/quality.md, storage formats:\n"
    yield f"| format | dimensions | bytes a vector | {name}, nDCG@10 |"
    yield "|---" * 4 + "|"
    for row in results.rows:
        yield (
            f"| {label(row.format, _whole(results))} | {row.format.dimensions} "
            f"| {row.sizes.vector:,} | {row.ndcg:.3f} ({_share(row, best, 1)}) |"
        )


def _measurements(results: Results) -> Iterator[str]:
    yield "For docs/quality.md, all measurements:\n"
    yield (
        "| format | dimensions | nDCG@10 | recall@100 | MRR@10 | overlap | vector bytes "
        "| BSON bytes | index bytes | ms p50 | p95 |"
    )
    yield "|---" * 11 + "|"
    for row in results.rows:
        index = "-" if row.sizes.index is None else f"{row.sizes.index:,.0f}"
        yield (
            f"| {row.format.name} | {row.format.dimensions} | {row.ndcg:.4f} | {row.recall:.4f} "
            f"| {row.mrr:.4f} | {row.overlap:.3f} | {row.sizes.vector:,} "
            f"| {row.sizes.document:,.0f} | {index} | {row.latency.p50:.1f} "
            f"| {row.latency.p95:.1f} |"
        )


def _circumstances(results: Results) -> Iterator[str]:
    about, pair, sample = results.about, results.pair, results.ingested
    machine, test = about["machine"], about["collection"]
    for side in ("teacher", "student"):
        model = pair[side]
        yield (
            f"{side.capitalize()} {model['name']} at {model['revision']}, {model['dimensions']} "
            f"dimensions, {model['query_p50_ms']:.1f} ms a query (p95 {model['query_p95_ms']:.1f})"
        )
    yield f"Alignment: mean cosine {pair['alignment']:.3f}; documents in {pair['encode_precision']}"
    yield f"{test['name']}: {test['documents']:,} documents, {test['queries']:,} queries"
    yield (
        f"Ingested {sample['chunks']} chunks as {sample['form']} in {sample['seconds']} s; "
        f"a search found {sample['hits']} hits; the doctor found "
        + ("nothing" if not sample["doctor"] else "; ".join(sample["doctor"]))
    )
    graphics = f", {machine['gpu']}" if machine["gpu"] else ""
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
    yield f"{machine['processor']}, {machine['cores']} cores{graphics}; {about['place']['server']}"
    yield f"{versions}; {about['date']}"
    yield from (f"Note: {line}" for line in results.left_out)


def _labelled(results: Results, wanted: str) -> Sequence[Judged]:
    return [row for row in results.rows if label(row.format, _whole(results)) == wanted]


def _best(results: Results) -> Judged:
    """The teacher on both sides; the widest row if both models are one."""
    alone = [row for row in results.rows if row.format.name == "teacher alone"]
    return alone[0] if alone else results.rows[0]


def _whole(results: Results) -> int:
    return int(results.pair["teacher"]["dimensions"])


def _share(row: Judged, best: Judged, digits: int) -> str:
    return f"{100 * row.ndcg / best.ndcg:.{digits}f} %" if best.ndcg else "-"
