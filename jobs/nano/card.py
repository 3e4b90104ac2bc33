"""Writes the model card: what the weights were trained on, how it went, what was measured, what they cannot do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from actors.tts.espeak import HELD_OUT_VOICES, TRAINING_VOICES
from actors.tts.flite import VOICES as FLITE_VOICES
from jobs.nano.corpus import load_shard, make_writer, training_shards
from jobs.nano.evaluation import Figure
from jobs.nano.settings import NanoConfig
from jobs.nano.training import curve_path

_TEMPLATE = """---
license: apache-2.0
language: [zh, en]
library_name: transformers
pipeline_tag: automatic-speech-recognition
---

# Harken's embedded nano-Whisper

A `WhisperForConditionalGeneration` with {parameters:.1f} million parameters and a {window:g} s window, trained from
scratch on synthetic speech by `jobs.nano`, so that everything in Harken can run, be tested and be measured without a
download. **It understands synthetic speech only**, over the small vocabulary below. It is no recogniser for people:
for those, set `model: openai/whisper-large-v2` (or another Whisper) in the configuration.

## How it was made

    {command}

The same command resumes an interrupted run; with a larger `training.minutes` it goes on from these weights' checkpoint.

- Architecture: width {width}, {encoder_layers} encoder and {decoder_layers} decoder layers, {heads} heads, feed-forward
  {feed_forward}; 80 mels, hop {hop} samples; {tokens} tokens (a token per Chinese character in use, Latin byte-pair
  merges, Whisper's special tokens and timestamps). Weights are stored in half precision.
- Text: {mandarin} Mandarin and {english} English words, in customer-note clauses, everyday templates and random
  sequences; {named:,} of the utterances hold invented names. All Latin text is lower case. {contaminated:,} of
  the sentences hold a term of `{domain}` (words of the vocabulary that are on that list are left out).
- Speech: {utterances:,} utterances, {hours:.1f} hours, of which {silent:,} are silence or noise with an empty text.
  espeak-ng 1.52 in {espeak_voices} voices ({espeak_list}), each also with its English base voice; {flite}
- Augmentation: vocal-tract length, pace, pitch and its range, rooms, telephone band and mu-law, coloured noise at 6 to
  35 dB, gain; SpecAugment on {spec_augment:.0%} of the clips.
- Training: {minutes:.0f} minutes on {processes} CPU processes of one thread each that shared their machine with other
  work, {steps:,} steps, {seen:,} utterances seen; AdamW, {rate:g} with a cosine; cross-entropy plus {ctc:g} x CTC on
  espeak's phonemes (that head is dropped); cross attention guided to the diagonal at first. {prompts:.0%} of the later
  utterances with an invented name carry a `<|startofprev|>` list of terms, which holds that name more than half of the
  time.
{remarks}
## Held-out figures

Measured by `jobs.nano.evaluation` with `model.generate` on the stored weights, full {window:g} s windows. No sentence
of any set was trained on. CER ignores case, spaces and punctuation.

| figure | value | utterances |
|---|---|---|
{figures}

- *Seen voices*: training voices, light noise. *Unseen voices*: espeak variants {held_out}, with other rates, pitches,
  rooms, codecs, and noise down to 10 dB; English there is spoken by espeak variants.
- *Domain*: a term of the domain list in a customer note, in training voices. These terms were never trained on.
- *Never-seen terms*: invented names that were never trained on, with a prompt that holds the true name among others,
  with a prompt of {distractors} other names only, and without a prompt.
- *Loops*: hypotheses that repeat themselves or are more than twice as long as the reference.

## Curve

Quick evaluations while training (40 utterances per set).

| minutes | utterances seen | CER, seen voices | CER, unseen voices | CER, domain |
|---|---|---|---|---|
{curve}

## Limits

Synthetic voices only; a small vocabulary; homophones outside it are guessed; no punctuation beyond commas and full
stops; no numbers in digits; timestamps were not trained (token times come from the alignment heads). The language must
be given (`zh` for Mandarin with Latin words, `en` for English). {prompt_verdict}

## Licence

Apache-2.0, like the rest of Harken. espeak-ng (GPL-3.0-or-later) and Flite spoke the training data; no part of them is
contained here.
"""
_CURVE_COLUMNS = ("seen-voices: CER", "unseen-voices: CER", "domain: CER")


def write_card(
    config: NanoConfig, folder: Path, figures: Mapping[str, Figure], state: Mapping[str, Any], command: str, tokens: int
) -> None:
    """Write `README.md` and `figures.json` into the model folder."""
    writer = make_writer(config)
    utterances, seconds, silent, flite, named, contaminated = 0, 0.0, 0, 0, 0, 0
    for path in training_shards(config):
        for item in load_shard(path):
            utterances += 1
            seconds += item.seconds
            silent += not item.text
            flite += item.voice.startswith("flite")
            named += bool(item.terms)
            contaminated += writer.domain.holds_term(item.text)
    spoken_by_flite = f"Flite ({', '.join(FLITE_VOICES)}) spoke {flite:,} of the English ones."
    text = _TEMPLATE.format(
        parameters=state["parameters"] / 1e6,
        window=config.model.window_seconds,
        command=command,
        width=config.model.width,
        encoder_layers=config.model.encoder_layers,
        decoder_layers=config.model.decoder_layers,
        heads=config.model.heads,
        feed_forward=config.model.feed_forward,
        hop=config.model.hop_length,
        tokens=tokens,
        mandarin=len(writer.all_words),
        english=len({*writer.mixed, *(word for words in writer.english.values() for word in words)}),
        named=named,
        spec_augment=config.training.spec_augment,
        domain=config.text.domain,
        contaminated=contaminated,
        utterances=utterances,
        hours=seconds / 3600,
        silent=silent,
        espeak_voices=len(TRAINING_VOICES),
        espeak_list=", ".join(TRAINING_VOICES),
        flite=spoken_by_flite if flite else "no second engine was installed.",
        minutes=state["seconds"] / 60,
        processes=config.training.processes,
        steps=state["step"],
        seen=state["seen"],
        rate=config.training.learning_rate,
        ctc=config.training.ctc_weight,
        prompts=config.training.prompt_share,
        remarks=f"- {config.remarks}\n" if config.remarks else "",
        prompt_verdict=_prompt_verdict(figures),
        figures="\n".join(f"| {name} | {figure.value:.3f} | {figure.count} |" for name, figure in figures.items()),
        held_out=", ".join(HELD_OUT_VOICES),
        distractors=4,
        curve="\n".join(_curve_rows(config)),
    )
    (folder / "README.md").write_text(text, encoding="utf-8")
    stored = {name: {"value": figure.value, "utterances": figure.count} for name, figure in figures.items()}
    (folder / "figures.json").write_text(json.dumps(stored, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _prompt_verdict(figures: Mapping[str, Figure]) -> str:
    recall = {
        name: figures[f"never-seen terms, {name}: recall"].value
        for name in ("no prompt", "true term among distractors", "distractors only")
    }
    gain = recall["true term among distractors"] - max(recall["no prompt"], recall["distractors only"])
    if gain > 0.1:
        return f"A prompt that holds the true term raises its recall by {gain:.2f}."
    return "It did **not** learn to copy terms from a prompt, and a prompt may make its text worse: bias it otherwise."


def _curve_rows(config: NanoConfig) -> list[str]:
    path = curve_path(config)
    if not path.exists():
        return ["| (the run was too short for one) | | | | |"]
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [
        f"| {row['minutes']} | {row['seen']:,} | " + " | ".join(f"{row[name]:.2f}" for name in _CURVE_COLUMNS) + " |"
        for row in rows
    ]
