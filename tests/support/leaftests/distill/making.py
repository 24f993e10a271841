"""Teachers and students that are tiny, and whose space can be learnt in a hundred steps."""

import json
import re
import string
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Pooling, Transformer
from transformers import BertConfig, BertModel
from typer.testing import CliRunner

from leafsearch.distill.command import app
from leafsearch.distill.data.read import Texts
from leafsearch.distill.request import Distilled, DistillRequest, Listener
from leafsearch.distill.run import distil
from leafsearch.distill.train.loop import TrainingStatus
from leafsearch.distill.train.recipe import Recipe
from leafsearch.ingest.sources.files.records import Fields
from leafsearch.vectors.encoders import PROBES
from leaftests.models import bert_tokenizer, save

PROMPT = "query: "
PARAGRAPHS = [part for topic in topics.values() for part in topic.split("\n\n") if part.strip()]


def vocabulary() -> list[str]:
    """Frequent words, letters for the others; a trainer of tokenizers finds others in each run."""
    texts = " ".join([*PROBES, *topics.values()]).lower()
    letters = sorted(set(texts) - set(string.whitespace))
    counted = Counter(re.findall(r"\w+", texts))
    frequent = sorted(counted, key=lambda word: (-counted[word], word))[:1_500]
    asked = re.findall(r"\w+", " ".join([PROMPT, *PROBES]).lower())
    parts = [*letters, *(f"##{letter}" for letter in letters), *asked, *frequent]
    return list(dict.fromkeys(parts))


def built(folder: Path, *, width: int, layers: int, seed: int, positions: int = 512) -> Any:
    """A random BERT that is smooth, unlike those of tests/conftest.py."""
    tokenizer = bert_tokenizer(vocabulary())
    tokenizer.model_max_length = positions
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        intermediate_size=2 * width,
        max_position_embeddings=positions,
        initializer_range=0.15,
    )
    model = BertModel(config)
    with torch.no_grad():
        model.embeddings.word_embeddings.weight.mul_(3)  # words count more than their places
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    modules = [Transformer(str(folder)), Pooling(width, pooling_mode="mean")]
    return SentenceTransformer(modules=modules, prompts={"query": PROMPT}, device="cpu")


def centred(model: Any) -> Any:
    """With a last layer after which texts that differ point into different directions."""
    rows = model.encode(PARAGRAPHS[:600], show_progress_bar=False)
    width = rows.shape[1]
    last = Dense(width, width, bias=True, activation_function=torch.nn.Identity())
    last.linear.weight.data = torch.eye(width)
    last.linear.bias.data = -torch.from_numpy(rows.mean(axis=0))
    model.append(last)
    return model


def ordered(
    folder: Path,
    teacher: str,
    texts: Path,
    *,
    examples: int = 1_500,
    words: int = 32,
    student: str | None = None,
    **recipe: Any,
) -> DistillRequest:
    """A recipe of so few steps that a real one would spend them on its warm-up."""
    usual = Recipe(cycles=1, epochs=4, rows=64, peak=1e-2)
    return DistillRequest(
        teacher=teacher,
        texts=Texts([str(texts)], None, Fields(), examples, words, 1),
        out=folder / "student",
        work=folder / "work",
        recipe=replace(usual, **recipe),
        student=student,
    )


class Heard:
    """A listener that keeps what it is reported."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.encoded: list[tuple[int, int]] = []
        self.states: list[TrainingStatus] = []
        self.rejected: list[Any] = []

    def listener(self) -> Listener:
        return Listener(
            self.said.append,
            lambda done, of: self.encoded.append((done, of)),
            self.states.append,
            self.rejected.append,
        )


def distilled(order: DistillRequest) -> Distilled:
    return distil(order, Heard().listener())


@dataclass(frozen=True)
class Ended:
    """What became of a command."""

    code: int
    out: str
    err: str


def commanded(*args: object, **environ: str) -> Ended:
    """`leaf-distill`, in this process, which has torch already."""
    done = CliRunner().invoke(app, [str(arg) for arg in args], env=environ)
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Ended(done.exit_code, done.stdout, done.stderr)


def collection(folder: Path) -> Path:
    """A test collection in BEIR's format: five documents and two questions."""
    texts = {
        "bread": "roast vegetables and bake bread in the oven",
        "dog": "why dogs bark at night",
        "treaty": "a treaty was signed by twelve states",
        "orchestra": "the orchestra tuned its instruments",
        "flight": "cheap flights from Berlin in May",
    }
    (folder / "qrels").mkdir(parents=True)
    questions = {"1": "best way to roast vegetables", "2": "does my dog bark at night"}
    for name, records in (("corpus", texts), ("queries", questions)):
        lines = [json.dumps({"_id": id, "text": text}) + "\n" for id, text in records.items()]
        (folder / f"{name}.jsonl").write_text("".join(lines))
    (folder / "qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\n1\tbread\t1\n2\tdog\t1\n")
    return folder


def weights(student: Any) -> torch.Tensor:
    """All of them in one row."""
    return torch.cat([tensor.flatten().float() for tensor in student.state_dict().values()])


def saved(model: Any, folder: Path) -> str:
    save(model, folder)
    return str(folder)
