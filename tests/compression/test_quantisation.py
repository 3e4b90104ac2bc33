import numpy as np
import pytest

from compression.quantisation import LARGEST, decode, dequantise, quantise
from harken.errors import HarkenError


@pytest.mark.parametrize("bits", [8, 4])
def test_every_value_comes_back_within_half_its_vectors_scale(bits):
    random = np.random.default_rng(1)
    # Magnitudes from float16's smallest to its largest: nothing is clipped and no scale is lost.
    vectors = random.standard_normal((400, 3, 32)) * 10.0 ** random.uniform(-4, 4, (400, 3, 1))
    quantised = quantise(vectors, bits)
    assert quantised.codes.shape == (400, 3, 32 * bits // 8)
    assert quantised.codes.dtype == np.uint8
    assert quantised.scales.dtype == np.float16
    errors = np.abs(dequantise(quantised) - vectors)
    scales = quantised.scales.astype(np.float64)[..., None]
    assert (errors <= scales / 2 * (1 + 1e-6)).all()
    largest = np.abs(vectors).max(axis=-1, keepdims=True)
    normal = largest / LARGEST[bits] > np.finfo(np.float16).tiny
    assert (scales <= largest / LARGEST[bits] * (1 + 2**-10))[normal].all()


@pytest.mark.parametrize(("bits", "most"), [(8, 0.0002), (4, 0.02)])
def test_directions_are_kept(bits, most):
    vectors = np.random.default_rng(2).standard_normal((500, 32))
    again = dequantise(quantise(vectors, bits))
    cosines = (vectors * again).sum(1) / np.linalg.norm(vectors, axis=1) / np.linalg.norm(again, axis=1)
    assert (1 - cosines).max() < most


@pytest.mark.parametrize("bits", [8, 4])
def test_what_was_quantised_quantises_to_itself(bits):
    once = quantise(np.random.default_rng(3).standard_normal((50, 16)), bits)
    twice = quantise(decode(once.codes, bits), bits)
    assert np.array_equal(decode(twice.codes, bits), decode(once.codes, bits))


def test_a_vector_does_not_depend_on_its_neighbours():
    vectors = np.random.default_rng(4).standard_normal((5, 2, 8))
    whole, alone = quantise(vectors, 4), quantise(vectors[3], 4)
    assert np.array_equal(whole.codes[3], alone.codes)
    assert np.array_equal(whole.scales[3], alone.scales)


def test_a_byte_holds_the_earlier_value_in_its_low_half():
    quantised = quantise([[7.0, -7.0, 0.0, 1.0]], 4)
    assert quantised.codes.tolist() == [[15 | 1 << 4, 8 | 9 << 4]]
    assert quantised.scales.tolist() == [1.0]
    assert quantised.nbytes == 4


@pytest.mark.parametrize("bits", [8, 4])
def test_zeros_stay_zeros(bits):
    assert not dequantise(quantise(np.zeros((2, 4)), bits)).any()
    assert dequantise(quantise(np.zeros((0, 4)), bits)).shape == (0, 4)


@pytest.mark.parametrize("value", [np.nan, np.inf, -1e9])
def test_values_without_a_scale_are_refused(value):
    with pytest.raises(HarkenError, match="finite"):
        quantise([[1.0, value]], 8)


def test_other_bits_and_half_bytes_are_refused():
    with pytest.raises(HarkenError, match="Use 8 or 4"):
        quantise([[1.0]], 2)
    with pytest.raises(HarkenError, match="even"):
        quantise([[1.0, 2.0, 3.0]], 4)
