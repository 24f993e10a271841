"""Tiny models of published shapes, the same in every process."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from leafsearch.vectors.encoders import PROBES

PROMPT = "Represent this sentence for searching relevant passages: "


def save(model: Any, folder: Path) -> None:
    """Without the card, for which sentence-transformers asks the model hub."""
    model.save(str(folder), create_model_card=False)


def tiny_bert(folder: Path, *, width: int, layers: int, pooling: str, seed: int) -> Any:
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel

    tokenizer = bert_tokenizer()
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        intermediate_size=2 * width,
        max_position_embeddings=512,
        initializer_range=1.0,  # a random BERT of the usual range has one vector for all texts
    )
    BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    modules = [Transformer(str(folder)), Pooling(width, pooling_mode=pooling)]
    return SentenceTransformer(modules=modules, prompts={"query": PROMPT}, device="cpu")


def bert_tokenizer(vocabulary: Sequence[str] = ()) -> Any:
    """A WordPiece with BERT's special tokens: of some hundred pieces, unless they are given."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = {piece: n for n, piece in enumerate([*special, *(vocabulary or _pieces())])}
    tokenizer = Tokenizer(models.WordPiece(pieces, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, **dict(zip(names, special, strict=True))
    )


def _pieces() -> list[str]:
    """Letters, and halves of the words of all probes.

    A trainer would take other pieces in every process, and with them make other models.
    """
    words = sorted(set(re.findall(r"[a-z]+", " ".join([*PROBES, PROMPT]).lower())))
    halves = [part for w in words for part in (w[: len(w) // 2 + 1], f"##{w[len(w) // 2 + 1 :]}")]
    signs = sorted({chr(n) for n in range(33, 127)} - set(map(chr, range(65, 91))))
    pieces = dict.fromkeys([*signs, *(f"##{sign}" for sign in signs), *halves])
    return [piece for piece in pieces if piece != "##"]


def dense_head(student: Any, teacher: Any) -> Any:
    """The dense layer without bias that brings the student's vectors nearest to the teacher's."""
    import torch
    from sentence_transformers.sentence_transformer.modules import Dense

    texts = [PROMPT + probe for probe in PROBES]
    small, large = student.encode(texts), teacher.encode(texts)
    weights = np.linalg.lstsq(small, large, rcond=None)[0]
    head = Dense(
        small.shape[1], large.shape[1], bias=False, activation_function=torch.nn.Identity()
    )
    head.linear.weight.data = torch.from_numpy(weights.T.copy())
    return head
