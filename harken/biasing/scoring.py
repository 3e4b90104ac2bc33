"""How probable the model finds a text of an utterance whose encoder output is there: teacher forcing, many at once."""

from collections.abc import Sequence

import torch

from harken.biasing.cross_states import CrossStates
from harken.whisper import Whisper

_ROWS_PER_PASS = 16


def score_texts(
    whisper: Whisper, states: CrossStates, windows: Sequence[int], texts: Sequence[str], language: str = "zh"
) -> list[float | None]:
    """Score each text as what is said in its window.

    Returns:
        Per text the sum of the log-probabilities of its tokens and of the end after them; None for one with more
        tokens than the decoder takes.

    Raises:
        HarkenError: the model does not know the language.
    """
    prompt = whisper.prompt_tokens(language)
    room = whisper.model.config.max_target_positions - len(prompt)
    said = [[*whisper.plain_tokens(text), whisper.end_token] for text in texts]
    # Texts of similar length share a pass.
    order = sorted((index for index, tokens in enumerate(said) if len(tokens) <= room), key=lambda i: (len(said[i]), i))
    scores: list[float | None] = [None] * len(texts)
    for start in range(0, len(order), _ROWS_PER_PASS):
        batch = order[start : start + _ROWS_PER_PASS]
        logprobs = _logprobs(whisper, states, [windows[index] for index in batch], prompt, [said[i] for i in batch])
        for index, logprob in zip(batch, logprobs, strict=True):
            scores[index] = logprob
    return scores


def _logprobs(
    whisper: Whisper, states: CrossStates, windows: Sequence[int], prompt: list[int], said: Sequence[list[int]]
) -> list[float]:
    longest = max(map(len, said))
    given = torch.full((len(said), len(prompt) + longest), whisper.end_token, device=whisper.device)
    for row, tokens in zip(given, said, strict=True):
        row[: len(prompt) + len(tokens)] = torch.tensor([*prompt, *tokens])
    with torch.inference_mode():
        hidden = whisper.model.get_decoder()(
            input_ids=given[:, :-1],
            encoder_hidden_states=states.rows(windows),
            past_key_values=states.cache(windows),
            use_cache=True,
        ).last_hidden_state[:, len(prompt) - 1 :]
        logprobs = whisper.model.get_output_embeddings()(hidden).float().log_softmax(dim=-1)
        chosen = logprobs.gather(2, given[:, len(prompt) :, None])[:, :, 0].cpu()
    return [float(row[: len(tokens)].sum()) for row, tokens in zip(chosen, said, strict=True)]
