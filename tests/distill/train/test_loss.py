"""Values of the loss that can be worked out by hand."""

from math import log, log1p, sqrt

import pytest
import torch

from leafsearch.distill.train.loop import Loss

# Two texts in three dimensions.
WANTED = torch.tensor([[0.6, 0.0, 0.8], [0.0, 1.0, 0.0]])
FOUND = torch.tensor([[0.0, 0.0, 0.8], [0.0, 1.0, 0.5]])


def test_the_loss_is_the_mean_of_squared_distances() -> None:
    assert float(Loss()(FOUND, WANTED)) == pytest.approx((0.6**2 + 0.5**2) / 2)


def test_a_teachers_own_vectors_cost_nothing() -> None:
    assert float(Loss((2, 1))(WANTED, WANTED)) == 0


def test_truncated_vectors_are_compared_at_unit_length() -> None:
    """The first text has (0, 0) for (1, 0) at two dimensions; the second is equal for both."""
    more = float(Loss((2,))(FOUND, WANTED) - Loss()(FOUND, WANTED))

    assert more == pytest.approx((1 + 0) / 2)


def test_each_of_several_truncations_adds_its_own() -> None:
    one, other = (float(Loss((d,))(FOUND, WANTED)) for d in (2, 1))
    plain = float(Loss()(FOUND, WANTED))

    assert float(Loss((2, 1))(FOUND, WANTED)) == pytest.approx(one + other - plain)


def test_the_length_of_a_students_vector_does_not_matter_where_it_is_truncated() -> None:
    def more(found: torch.Tensor) -> float:
        return float(Loss((2,))(found, WANTED) - Loss()(found, WANTED))

    assert more(3 * FOUND) == pytest.approx(more(FOUND), abs=1e-5)


def test_signs_weigh_as_clear_as_they_are() -> None:
    """One text, with half of the weight on a correct sign and half on an undecided one."""
    wanted, found = torch.tensor([[sqrt(0.5), -sqrt(0.5)]]), torch.tensor([[1.0, 0.0]])
    right, undecided = log1p(2.718281828459045 ** -sqrt(2)), log(2)

    more = float(Loss(bits=3.0)(found, wanted) - Loss()(found, wanted))

    assert more == pytest.approx(3 * (right + undecided) / 2, rel=1e-5)


def test_a_wrong_sign_costs_more_where_the_teacher_is_clearer() -> None:
    wanted = torch.tensor([[0.8, 0.6]])

    first = Loss(bits=1.0)(torch.tensor([[-0.8, 0.6]]), wanted) - _distance([-0.8, 0.6], wanted)
    second = Loss(bits=1.0)(torch.tensor([[0.8, -0.6]]), wanted) - _distance([0.8, -0.6], wanted)

    assert float(first) > float(second)


def test_the_gradient_points_from_the_wrong_sign_to_the_right_one() -> None:
    found = torch.tensor([[0.8, 0.0]], requires_grad=True)

    torch.autograd.backward(Loss(bits=1.0)(found, torch.tensor([[0.8, -0.6]])))

    assert found.grad is not None
    assert found.grad[0, 1] > 0


def _distance(found: list[float], wanted: torch.Tensor) -> torch.Tensor:
    return Loss()(torch.tensor([found]), wanted)
