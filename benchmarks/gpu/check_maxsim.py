"""On a machine with a GPU: the fused MaxSim kernel finds the CPU's paths to the last bit, and what millions cost it.

    python -m benchmarks.gpu.check_maxsim

It needs PyTorch with Triton, but neither Ray nor a model: frames are random. Times are of one utterance of 10 s
against every enrolment, all of them on the GPU as int8, and stand beside the targets of 20 ms for a million terms and
200 ms for ten million. Operations are those of the five slopes' products that the kernel computes, padding not
counted; their share of peak is told for GPUs whose dense int8 peak is known.
"""

import statistics
import sys
from dataclasses import dataclass

import torch

from compression.diagonals import SLOPES
from compression.maxsim import PackedFrames, maxsim, unit_codes, unit_frames
from compression.maxsim_triton import available, maxsim_triton

TERMS = (1_000_000, 10_000_000)
TARGETS = {1_000_000: 20.0, 10_000_000: 200.0}
COMPARED = 20_000
REPEATS = 20
# Operations per second, NVIDIA's data sheets of the SXM boards, without sparsity.
PEAKS = {"H100": 1979e12, "H200": 1979e12, "A100": 624e12, "B200": 4500e12}


@dataclass(frozen=True)
class Shape:
    """What a spotter keeps: layers, values, frames of 10 s, and an enrolment's frames on average and at most."""

    name: str
    layers: int
    size: int
    columns: int
    mean: float
    most: int


SHAPES = (Shape("small", 2, 32, 125, 8, 25), Shape("large-v2", 3, 64, 250, 14, 75))


def enrolments(shape: Shape, count: int, device: torch.device, seed: int) -> PackedFrames:
    """Random codes of enrolments whose lengths spread by a third around the mean."""
    generator = torch.Generator(device=device).manual_seed(seed)
    spread = torch.randn(count, generator=generator, device=device) * (shape.mean / 3)
    lengths = (spread + shape.mean).round().clamp(2, shape.most).long()
    size = (int(lengths.sum()), shape.layers, shape.size)
    # Codes of about the size that unit vectors have.
    values = torch.randint(-30, 31, size, generator=generator, device=device, dtype=torch.int8)
    return PackedFrames(values, lengths)


def utterance(shape: Shape, device: torch.device) -> torch.Tensor:
    """Codes (layers, columns, size) of 10 s."""
    generator = torch.Generator().manual_seed(0)
    return unit_codes(unit_frames(torch.randn(shape.layers, shape.columns, shape.size, generator=generator))).to(device)


def agrees(shape: Shape, device: torch.device) -> bool:
    """Print one line; whether kernel and CPU agree in every score, start and end."""
    packed, heard = enrolments(shape, COMPARED, device, seed=1), utterance(shape, device)
    found = maxsim_triton(packed, heard)
    expected = maxsim(PackedFrames(packed.values.cpu(), packed.lengths.cpu()), heard.cpu())
    wrong = {name: int((getattr(found, name).cpu() != getattr(expected, name)).sum()) for name in ("starts", "ends")}
    # The last division may round differently: the integers before it may not.
    furthest = float((found.scores.cpu() - expected.scores).abs().max())
    same = furthest <= 1e-6 and not any(wrong.values())
    told = "ok" if same else f"WRONG {wrong}"
    print(f"{shape.name:9} {COMPARED:>10,} enrolments, largest difference {furthest:.1e} {told}", flush=True)
    return same


def milliseconds(packed: PackedFrames, heard: torch.Tensor) -> float:
    """The median of some runs, after one that compiles."""
    maxsim_triton(packed, heard)
    times = []
    for _ in range(REPEATS):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        maxsim_triton(packed, heard)
        end.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(end))
    return statistics.median(times)


def timed(shape: Shape, count: int, device: torch.device) -> bool:
    """Print one line; whether the target holds."""
    packed, heard = enrolments(shape, count, device, seed=2), utterance(shape, device)
    taken = milliseconds(packed, heard)
    operations = 2.0 * packed.values.numel() * shape.columns * len(SLOPES) / (taken / 1000)
    peak = next((peak for name, peak in PEAKS.items() if name in torch.cuda.get_device_name()), None)
    share = f"{operations / peak:.0%} of peak" if peak else "peak unknown"
    held = taken <= TARGETS[count]
    told = "holds" if held else "MISSED"
    print(
        f"{shape.name:9} {count:>10,} enrolments {taken:8.2f} ms (<= {TARGETS[count]:g}: {told}), "
        f"{operations / 1e12:6.0f} T/s, {share}, {packed.values.nbytes / 1e9:.2f} GB",
        flush=True,
    )
    return held


def main() -> int:
    """Exit status 1 without a GPU, with a path other than the CPU's, or with a target missed."""
    if not torch.cuda.is_available() or not available():
        print("PyTorch sees no GPU here, or Triton is missing.", file=sys.stderr)
        return 1
    device = torch.device("cuda")
    held = [agrees(shape, device) for shape in SHAPES]
    held += [timed(shape, count, device) for shape in SHAPES for count in TERMS]
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
