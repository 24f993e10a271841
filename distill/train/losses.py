"""How far a student's vectors are from its teacher's."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn.functional import normalize, softplus


@dataclass(frozen=True)
class Loss:
    """The squared distance of LEAF (arXiv 2509.12539), with two terms that it does not have.

    `truncated`: dimensions at which the unit vectors of both are compared as well, as an index of
    so many stores them. `bits` weighs the term for signs: of each dimension, by how clearly the
    teacher's vector lies on one side.
    """

    truncated: Sequence[int] = ()
    bits: float = 0.0

    def __call__(self, found: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        """(n, d) each, `wanted` of unit length; the mean over the texts."""
        loss = _distance(found, wanted)
        for dimensions in self.truncated:
            loss = loss + _distance(
                normalize(found[:, :dimensions], dim=1), normalize(wanted[:, :dimensions], dim=1)
            )
        if self.bits:
            loss = loss + self.bits * _signs(found, wanted)
        return loss


def _distance(found: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    return (found - wanted).square().sum(dim=1).mean()


def _signs(found: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Logistic loss of each sign, at the scale of one coordinate of a unit vector."""
    scale = wanted.shape[1] ** 0.5
    clear = wanted.abs() / wanted.abs().sum(dim=1, keepdim=True)
    return (clear * softplus(-scale * found * wanted.sign())).sum(dim=1).mean()
