import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from compression import maxsim_triton as kernel
from compression.maxsim import PackedFrames, maxsim, unit_codes, unit_frames
from harken.errors import HarkenError

ROOT = Path(__file__).parents[2]


def codes(lengths: list[int], layers: int, size: int, seed: int = 0) -> PackedFrames:
    generator = torch.Generator().manual_seed(seed)
    values = unit_frames(torch.randn(sum(lengths), layers, size, generator=generator))
    return PackedFrames(unit_codes(values), torch.tensor(lengths))


def compare() -> None:
    """What the interpreter runs, in a process of its own: Triton reads its environment once."""
    for lengths, layers, size, columns in (([5, 1, 12, 3, 25], 2, 32, 40), ([7] * 70 + [2, 30], 3, 24, 150)):
        packed = codes(lengths, layers, size)
        heard = codes([columns], layers, size, seed=1).values.transpose(0, 1)
        expected, found = maxsim(packed, heard), kernel.maxsim_triton(packed, heard)
        assert torch.equal(found.scores, expected.scores)
        assert torch.equal(found.starts, expected.starts)
        assert torch.equal(found.ends, expected.ends)


@pytest.mark.skipif(kernel.triton is None, reason="Triton has no CPU build")
def test_the_kernel_finds_the_same_paths_to_the_last_bit():
    command = [sys.executable, "-c", "from tests.compression.test_maxsim_triton import compare; compare()"]
    environment = os.environ | {"TRITON_INTERPRET": "1"}
    subprocess.run(command, cwd=ROOT, env=environment, check=True)


@pytest.mark.skipif(kernel.available(), reason="the kernel can run here")
def test_without_a_gpu_the_kernel_says_what_to_use():
    with pytest.raises(HarkenError, match=r"maxsim_triton'\. It needs Triton and a GPU: use compression\.maxsim"):
        kernel.maxsim_triton(codes([3], 1, 32), codes([9], 1, 32).values.transpose(0, 1))


def test_padding_to_the_products_depth_changes_no_sum():
    values = codes([4], 3, 24).values
    padded = kernel.padded_codes(values)
    assert padded.shape == (4, 96)
    assert torch.equal(padded[:, :72], values.flatten(1))
    assert not padded[:, 72:].any()
