"""The trained table, as it is published."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from leafsearch.vectors.encoders import write_static_model


@dataclass(frozen=True)
class StaticStudent:
    rows: NDArray[np.float32]  # (vocabulary, dimensions)
    tokenizer: Tokenizer
    max_tokens: int
    bits: int = 8

    def save(self, folder: Path) -> None:
        """Without prompts: the rows of a prompt would weigh on every query alike."""
        write_static_model(
            folder,
            self.rows,
            self.tokenizer,
            max_tokens=self.max_tokens,
            prompts={},
            bits=self.bits,
        )
