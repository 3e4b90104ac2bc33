import pytest

from harken.forgetting import Forgetting


@pytest.mark.parametrize(
    ("before", "after", "failed"),
    [(0.10, 0.10, False), (0.10, 0.05, False), (0.10, 0.1099, False), (0.10, 0.12, True), (0.0, 0.0, False)],
)
def test_the_gate_is_relative(before, after, failed):
    assert Forgetting(before, after, 0.10).failed is failed


def test_the_gate_says_what_happened():
    assert "FAILED" in str(Forgetting(0.10, 0.15, 0.10))
    assert "+50.0%, at most +10%" in str(Forgetting(0.10, 0.15, 0.10))
    assert Forgetting(0.0, 0.01, 0.10).failed
    assert "from none" in str(Forgetting(0.0, 0.01, 0.10))
