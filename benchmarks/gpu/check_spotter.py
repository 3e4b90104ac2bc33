"""On a machine with a GPU: the spotter's scores are the CPU's, and what a pair costs there.

    python -m benchmarks.gpu.check_spotter

It needs PyTorch, pydantic and PyYAML, but neither Ray nor a Whisper: encoder frames are random. Every variant
of the paper's and of the small spotter is compared in float32; pairs per second are printed beside it.
"""

import sys
import time

import torch
from torch import Tensor

from compression.frames import Frames
from compression.spotter import Spotter
from harken.spotter_settings import SpotterSettings, Variant, nano_spotter, paper_spotter

VARIANTS: tuple[Variant, ...] = ("baseline", "L", "LH", "LHF")
TOLERANCE = 5e-3
PAIRS = {"paper": 8, "small": 64}


def random_frames(settings: SpotterSettings, count: int, seconds: float, seed: int) -> Frames:
    """`count` recordings of up to `seconds`, each a little shorter than the one before."""
    generator = torch.Generator().manual_seed(seed)
    longest = round(seconds * settings.encoder.frames_per_second)
    lengths = [max(4, longest - 3 * index) for index in range(count)]
    width, layers = settings.encoder.width, len(settings.layers)
    return Frames.stack([torch.randn(layers, length, width, generator=generator) for length in lengths])


def pairs_per_second(spotter: Spotter, keywords: Frames, utterances: Frames, pairs: Tensor) -> float:
    """Scored pairs per second, compression not counted, after one pass to warm up."""
    spotter.score(keywords, utterances, pairs)
    torch.cuda.synchronize()
    start = time.perf_counter()
    spotter.score(keywords, utterances, pairs)
    torch.cuda.synchronize()
    return len(pairs) / (time.perf_counter() - start)


def compare(name: str, settings: SpotterSettings) -> bool:
    """Print one line for this spotter; whether CPU and GPU agree."""
    spotter = Spotter(settings).eval()
    window = settings.encoder.window_frames / settings.encoder.frames_per_second
    keywords = random_frames(settings, 4, settings.verifier.keyword_seconds, seed=1)
    utterances = random_frames(settings, 2, window, seed=2)
    pairs = torch.cartesian_prod(torch.arange(4), torch.arange(2))
    with torch.inference_mode():
        expected = spotter(keywords, utterances, pairs)
        device = torch.device("cuda")
        spotter.to(device)
        kept, heard = spotter.compress(keywords.to(device), utterances.to(device))
        found = spotter.score(kept, heard, pairs.to(device)).cpu()
        speed = pairs_per_second(spotter, kept, heard, pairs.repeat(PAIRS[name], 1).to(device))
    difference = float((found - expected).abs().max())
    agrees = difference <= TOLERANCE
    verdict = "ok" if agrees else f"OVER {TOLERANCE:g}"
    variant = settings.compression.variant
    print(f"{name:6} {variant:9} largest difference {difference:.1e} {verdict:10} {speed:9.0f} pairs/s", flush=True)
    return agrees


def main() -> int:
    """Exit status 1 without a GPU or with a difference over the tolerance."""
    if not torch.cuda.is_available():
        print("PyTorch sees no GPU here.", file=sys.stderr)
        return 1
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    makers = {"small": nano_spotter, "paper": paper_spotter}
    agreed = [compare(name, make(variant)) for name, make in makers.items() for variant in VARIANTS]
    return 0 if all(agreed) else 1


if __name__ == "__main__":
    sys.exit(main())
