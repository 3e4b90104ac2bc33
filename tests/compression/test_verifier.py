import pytest
import torch

from compression.verifier import ResNet
from harken.spotter_settings import VerifierSettings, paper_spotter

PAPER = paper_spotter("LHF").verifier


def count(network: ResNet) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("settings", "parameters"),
    [
        (VerifierSettings(blocks=(2, 2, 2, 2), widths=(64, 128, 256, 512), stem="imagenet"), 11_689_512),
        (PAPER, 25_557_032),
    ],
    ids=["ResNet-18", "ResNet-50"],
)
def test_the_published_networks_have_the_published_sizes(settings, parameters):
    with torch.device("meta"):
        assert count(ResNet(settings, channels=3, outputs=1000)) == parameters


def test_the_papers_network_takes_the_papers_maps():
    with torch.device("meta"):
        network = ResNet(PAPER, channels=3)
        assert network(torch.empty(2, 3, 75, 750)).shape == (2, 1)
        assert network.layer4(torch.empty(2, 1024, 5, 47)).shape == (2, 2048, 3, 24)
    names = dict(network.named_parameters())
    assert names["conv1.weight"].shape == (64, 3, 7, 7)
    assert names["layer2.0.downsample.0.weight"].shape == (512, 256, 1, 1)
    assert names["layer4.2.conv3.weight"].shape == (2048, 512, 1, 1)
    assert names["fc.weight"].shape == (1, 2048)


def test_the_small_network_keeps_a_small_maps_resolution_at_first():
    network = ResNet(VerifierSettings(), channels=2).eval()
    shapes = []
    network.layer1.register_forward_hook(lambda module, inputs, output: shapes.append(output.shape))
    assert network(torch.rand(3, 2, 40, 64)).shape == (3, 1)
    assert shapes == [(3, 16, 40, 64)]
    assert count(network) < 100_000
