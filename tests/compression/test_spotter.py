import pytest
import torch

from compression.frames import Frames
from compression.spotter import Spotter
from harken.errors import HarkenError
from harken.spotter_settings import EncoderShape
from tests.tiny_spotter import LAYERS, VARIANTS, WIDTH, WINDOW, recordings, tiny_settings, tiny_spotter

KEYWORDS, UTTERANCES = recordings([5, 12, 18, 1], seed=1), recordings([30, 48, 11], seed=2)


def dirty(recordings: list[torch.Tensor], extra: int = 0) -> Frames:
    """Stacked, with something in the padding that must not matter."""
    frames = Frames.stack(recordings)
    values = torch.nn.functional.pad(frames.values, (0, 0, 0, extra))
    wide = Frames(values, frames.lengths)
    return Frames(values.masked_fill(~wide.mask[:, None, :, None], 37.0), frames.lengths)


@pytest.mark.parametrize("cropped", [True, False], ids=["cropped", "full"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_score_is_its_pairs_alone(variant, cropped):
    """Batch-1 and batch-N agree, whatever stands in the padding: masks follow every downsampling."""
    spotter = tiny_spotter(variant, cropped)
    with torch.no_grad():
        together = spotter(dirty(KEYWORDS, extra=6), dirty(UTTERANCES))
        assert together.shape == (4, 3)
        for row, keyword in enumerate(KEYWORDS):
            for column, utterance in enumerate(UTTERANCES):
                alone = spotter(Frames.stack([keyword]), Frames.stack([utterance]))
                assert alone.item() == pytest.approx(together[row, column].item(), abs=1e-5)
    assert together.std() > 1e-4


@pytest.mark.parametrize("variant", VARIANTS)
def test_pairs_are_those_of_the_whole_matrix(variant):
    spotter = tiny_spotter(variant)
    pairs = torch.tensor([(2, 0), (0, 1), (2, 0), (3, 2)])
    with torch.no_grad():
        keywords, utterances = spotter.compress(Frames.stack(KEYWORDS), Frames.stack(UTTERANCES))
        whole = spotter.score(keywords, utterances, at_once=5)
        assert torch.allclose(spotter.score(keywords, utterances, pairs), whole[pairs[:, 0], pairs[:, 1]], atol=1e-5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_gradients_reach_every_part(variant):
    spotter = tiny_spotter(variant).train()
    logits = spotter(dirty(KEYWORDS), dirty(UTTERANCES))
    labels = torch.rand(4, 3, generator=torch.Generator().manual_seed(0)).round()
    torch.nn.functional.binary_cross_entropy_with_logits(logits, labels).backward()
    without = [
        name
        for name, parameter in spotter.named_parameters()
        if parameter.grad is None or not torch.isfinite(parameter.grad).all() or parameter.grad.abs().max() == 0
    ]
    assert without == []
    parts = {name.partition(".")[0] for name, _ in spotter.named_parameters()}
    expected = {"baseline": set(), "L": {"gate"}, "LH": {"projector"}, "LHF": {"projector", "halver"}}
    assert parts == expected[variant] | {"verifier"}


@pytest.mark.parametrize("variant", VARIANTS)
def test_batch_statistics_of_training_do_not_depend_on_padding(variant):
    tight, wide = tiny_spotter(variant).train(), tiny_spotter(variant).train()
    tight(Frames.stack(KEYWORDS), Frames.stack(UTTERANCES))
    wide(dirty(KEYWORDS, extra=9), dirty(UTTERANCES))
    for name, buffer in tight.state_dict().items():
        assert torch.allclose(buffer.double(), wide.state_dict()[name].double(), atol=1e-5), name


def test_compression_makes_what_the_settings_promise():
    for variant, frames, size in (("baseline", 18, WIDTH), ("L", 18, WIDTH), ("LH", 18, 8), ("LHF", 9, 8)):
        settings = tiny_settings(variant)
        assert (settings.keyword_frames, settings.frame_size) == (frames, size)
        kept = tiny_spotter(variant).compress(dirty(KEYWORDS))[0]
        assert kept.values.shape == (4, LAYERS, frames, size)
        assert kept.values[0, :, int(kept.lengths[0]) :].abs().max() == 0


def test_equal_seeds_make_equal_spotters_and_leave_the_global_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    one, other, third = (Spotter(tiny_settings("LHF"), seed) for seed in (0, 0, 1))
    assert torch.equal(torch.rand(1), expected)
    weights = [spotter.verifier.conv1.weight for spotter in (one, other, third)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_a_narrowed_spotter_scores_the_same_with_the_selected_layers_alone():
    spotter = tiny_spotter("L")
    with torch.no_grad():
        spotter.gate.scores.copy_(torch.tensor([0.7, -1.0, 0.3]))
    spotter.threshold = 0.25
    narrow = spotter.narrowed()
    assert narrow.selected_layers() == spotter.selected_layers() == (1, 3)
    assert narrow.settings.layers == (1, 3)
    assert (narrow.threshold, narrow.training) == (0.25, False)
    kept = [[recording[[0, 2]] for recording in group] for group in (KEYWORDS, UTTERANCES)]
    with torch.no_grad():
        whole = spotter(Frames.stack(KEYWORDS), Frames.stack(UTTERANCES))
        assert torch.allclose(narrow(*map(Frames.stack, kept)), whole, atol=1e-5)
    assert tiny_spotter("LH").narrowed().settings.layers == (1, 2, 3)


def test_frames_of_another_encoder_are_refused():
    spotter = tiny_spotter("LH")
    for shape in ((1, LAYERS + 1, 5, WIDTH), (1, LAYERS, 5, WIDTH + 1), (1, LAYERS, WINDOW + 1, WIDTH)):
        with pytest.raises(HarkenError, match=r"encoder frames: .* The spotter takes \(batch, 3, up to 48, 16\)"):
            spotter.compress(Frames(torch.zeros(shape), torch.tensor([5])))
    with pytest.raises(HarkenError, match="window_frames 48"):
        spotter.check_encoder(EncoderShape())
    spotter.check_encoder(spotter.settings.encoder)


def test_a_keyword_longer_than_the_maps_is_refused():
    spotter = tiny_spotter("LHF")
    with pytest.raises(HarkenError, match="keyword frames: 10"):
        spotter(Frames.stack(recordings([19])), Frames.stack(UTTERANCES))


def test_the_fingerprint_is_of_what_decides_an_embedding():
    spotter, other = tiny_spotter("LHF"), tiny_spotter("LHF")
    with torch.no_grad():
        other.verifier.fc.bias.add_(1.0)
    assert spotter.fingerprint() == other.fingerprint()
    with torch.no_grad():
        other.halver.norms[0].running_mean.add_(0.01)
    assert spotter.fingerprint() != other.fingerprint()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("variant", VARIANTS)
def test_cpu_and_gpu_agree(variant):
    spotter = tiny_spotter(variant)
    keywords, utterances = dirty(KEYWORDS), dirty(UTTERANCES)
    with torch.no_grad():
        expected = spotter(keywords, utterances)
        device = torch.device("cuda")
        found = spotter.to(device)(keywords.to(device), utterances.to(device))
    assert torch.allclose(found.cpu(), expected, atol=1e-3)
