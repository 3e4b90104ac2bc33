"""Which augmentation settings are accepted, and which of them decide what is heard."""

import typing
from pathlib import Path

import pytest
from pydantic import ValidationError

from harken.augmentation_settings import KINDS, LOSSY, AugmentationSettings, CodecName


def test_every_option_belongs_to_one_kind() -> None:
    options = [option for kind, names in KINDS.items() for option in (f"{kind}_probability", *names)]
    assert options == list(AugmentationSettings.model_fields)
    assert set(typing.get_args(CodecName)) > LOSSY


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"speed": (0.9, 1.1)}, "speed has no effect while speed_probability is 0"),
        ({"room_direct_db": (0.0, 3.0)}, "room_direct_db has no effect"),
        ({"codecs": ("opus",)}, "codecs has no effect"),
        ({"noise_folder_share": 0.5}, "without noise_folder"),
        ({"codec_probability": 1.0, "codecs": ("gsm", "a-law"), "codec_compression": (0.1, 0.2)}, "on gsm, a-law"),
        ({"codec_probability": 1.0, "codecs": ("aac",)}, "mu-law"),
        ({"codec_probability": 1.0, "codecs": ()}, "at least 1"),
        ({"noise_snr_db": (30.0, 10.0)}, "the least, 30, is above the most, 10"),
        ({"gain_db": (float("nan"), 0.0)}, "finite"),
        ({"speed_probability": 0.5, "speed": (0.3, 1.0)}, "between 0.5 and 2"),
        ({"room_probability": 0.5, "room_decay_seconds": (0.1, 5.0)}, "between 0.02 and 2"),
        ({"room_probability": 1.5}, "less than or equal to 1"),
    ],
)
def test_what_cannot_be_or_does_nothing_is_an_error(options: dict, part: str) -> None:
    with pytest.raises(ValidationError, match=part):
        AugmentationSettings(**options)


def test_a_kind_may_be_switched_off_beside_its_options() -> None:
    settings = AugmentationSettings(speed_probability=0.0, speed=(0.8, 1.2), noise_probability=0.0)
    assert set(settings.deciding()) == {"gain_probability", "gain_db"}


def test_kinds_that_are_never_drawn_and_the_place_of_the_noise_decide_nothing() -> None:
    noise = {"noise_probability", "noise_snr_db"}
    assert set(AugmentationSettings().deciding()) == noise | {"gain_probability", "gain_db"}
    with_folder = AugmentationSettings(noise_folder=Path("somewhere"), gain_probability=0.0)
    assert set(with_folder.deciding()) == noise | {"noise_folder_share"}
