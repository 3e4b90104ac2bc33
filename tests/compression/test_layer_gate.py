import pytest
import torch

from compression.layer_gate import LayerGate, sparsemax


@pytest.mark.parametrize("seed", range(5))
def test_sparsemax_is_the_nearest_point_of_the_simplex(seed):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(12, generator=generator, dtype=torch.float64)
    projected = sparsemax(scores)
    assert projected.min() >= 0
    assert projected.sum().item() == pytest.approx(1.0)
    others = torch.distributions.Dirichlet(torch.full((12,), 0.3, dtype=torch.float64)).sample((2000,))
    assert (scores - projected).norm() < (scores - others).norm(dim=1).min()
    # The projection on a convex set: no point of it lies at an acute angle to what was cut off.
    assert ((others - projected) @ (scores - projected)).max() <= 1e-9


def test_sparsemax_by_hand():
    assert sparsemax(torch.tensor([0.0, 0.0])).tolist() == [0.5, 0.5]
    assert sparsemax(torch.tensor([0.25, -0.25])).tolist() == [0.75, 0.25]
    assert sparsemax(torch.tensor([3.0, 1.0, 0.5])).tolist() == [1.0, 0.0, 0.0]


def test_sparsemax_ignores_a_shift_and_keeps_points_of_the_simplex():
    scores = torch.tensor([0.9, 0.3, 0.2, -1.0], dtype=torch.float64)
    assert torch.allclose(sparsemax(scores), sparsemax(scores + 7))
    inside = torch.tensor([0.5, 0.2, 0.3, 0.0], dtype=torch.float64)
    assert torch.allclose(sparsemax(inside), inside)


@pytest.mark.parametrize("scores", [[0.3, 0.1, 0.0, 0.2], [1.1, 0.4, -0.2, 0.9], [5.0, 0.0, 0.0, 0.1]])
def test_sparsemax_gradient_equals_finite_differences(scores):
    inputs = torch.tensor(scores, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(sparsemax, (inputs,))


def test_gate_starts_without_a_favourite_and_weighs_maps():
    gate = LayerGate((2, 5, 9, 11))
    assert gate.probabilities().tolist() == [0.25] * 4
    assert gate.selected_layers() == (2, 5, 9, 11)
    assert gate(torch.ones(1, 4, 2, 3))[0, :, 0, 0].tolist() == [0.25] * 4


def test_entropy_and_its_gradient_are_finite_beside_exact_zeros():
    gate = LayerGate((1, 2, 3))
    with torch.no_grad():
        gate.scores.copy_(torch.tensor([0.6, 0.4, -1.0]))
    entropy = gate.entropy()
    assert entropy.item() == pytest.approx(-(0.6 * torch.tensor(0.6).log() + 0.4 * torch.tensor(0.4).log()).item())
    entropy.backward()
    assert torch.isfinite(gate.scores.grad).all()
    assert gate.scores.grad[2] == 0
    # Downhill is towards the layer that is ahead.
    assert gate.scores.grad[0] < 0 < gate.scores.grad[1]


def test_gate_reaches_exact_zeros_where_only_one_layer_tells():
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(256, 4, 1, 1, generator=generator)
    labels = (maps[:, 2, 0, 0] > 0).float()
    gate = LayerGate((1, 2, 3, 4))
    weight = torch.nn.Parameter(torch.ones(()))
    optimizer = torch.optim.Adam([gate.scores, weight], lr=0.02)
    for _ in range(150):
        logits = weight * gate(maps).sum(dim=(1, 2, 3))
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels) + 0.05 * gate.entropy()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert gate.selected_layers() == (3,)
    assert gate.probabilities().tolist() == [0.0, 0.0, 1.0, 0.0]
