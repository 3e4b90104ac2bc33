"""The dataset card: what is in an export, what was left out and why, and what it may be used for."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from harken.dataset.utterance import Utterance
from harken.keywords import KeywordMatcher

_SPEAKERS_SHOWN = 100


@dataclass
class Contents:
    """Counted while a dataset is written."""

    rows: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)
    speakers: Counter[str] = field(default_factory=Counter)
    licences: Counter[tuple[str, bool | None]] = field(default_factory=Counter)
    mentions: Counter[tuple[str, str]] = field(default_factory=Counter)
    left_out: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, item: Utterance, matcher: KeywordMatcher) -> None:
        """Count an utterance that is in the dataset."""
        self.rows[item.part] += 1
        self.seconds[item.part] = self.seconds.get(item.part, 0.0) + item.duration
        self.speakers[item.speaker] += 1
        self.licences[item.licence, item.commercial_use] += 1
        self.mentions.update((mention.category, mention.term) for mention in matcher.find(item.text))

    def leave_out(self, part: str, reason: str) -> None:
        """Count a row that is not."""
        self.left_out.setdefault(part, Counter())[reason] += 1


def card(
    title: str,
    contents: Contents,
    matcher: KeywordMatcher,
    language: str,
    use: str,
    resolved_config: str,
    provenance: Mapping[str, object],
    audiofolder: bool,
) -> str:
    """The card in Markdown; its head is what the Hugging Face hub reads."""
    lines = ["---", f"language: [{language}]", "license: other", "task_categories: [automatic-speech-recognition]"]
    if audiofolder:
        lines += ["configs:", "- config_name: default", "  data_files:"]
        for part in contents.rows:
            lines += [f"  - split: {part}", f"    path: data/{part}/**"]
    total, seconds = contents.rows.total(), sum(contents.seconds.values())
    lines += ["---", "", f"# {title}", ""]
    lines += [
        f"{total} utterances, {seconds / 3600:.2f} hours, {len(contents.speakers)} voices; exported for {use} use."
    ]
    lines += ["", "## Sets", "", "| set | utterances | hours | left out |", "|---|---|---|---|"]
    for part in sorted(set(contents.rows) | set(contents.left_out)):
        out = contents.left_out.get(part, Counter()).total()
        lines.append(f"| {part} | {contents.rows[part]} | {contents.seconds.get(part, 0.0) / 3600:.2f} | {out} |")
    lines += ["", "## Licences of the voices", "", "| what the audio may be used for | commercial | utterances |"]
    lines.append("|---|---|---|")
    for (licence, commercial), count in contents.licences.most_common():
        state = "not known" if commercial is None else "yes" if commercial else "no"
        lines.append(f"| {_cell(licence)} | {state} | {count} |")
    if contents.left_out:
        lines += ["", "## Left out", "", "| set | reason | rows |", "|---|---|---|"]
        for part, reasons in contents.left_out.items():
            lines += [f"| {part} | {_cell(reason)} | {count} |" for reason, count in reasons.most_common()]
    lines += ["", "## Keyword coverage", "", "| category | terms | terms spoken | mentions | least per term |"]
    lines.append("|---|---|---|---|---|")
    for category in matcher.categories:
        counts = [contents.mentions[category, word.term] for word in matcher.keywords if word.category == category]
        spoken = sum(count > 0 for count in counts)
        lines.append(f"| {_cell(category)} | {len(counts)} | {spoken} | {sum(counts)} | {min(counts)} |")
    lines += ["", "## Voices", "", "| voice | utterances |", "|---|---|"]
    lines += [f"| {_cell(name)} | {count} |" for name, count in contents.speakers.most_common(_SPEAKERS_SHOWN)]
    if len(contents.speakers) > _SPEAKERS_SHOWN:
        lines.append(f"| {len(contents.speakers) - _SPEAKERS_SHOWN} more | |")
    lines += ["", "## How it was made", ""]
    lines += [f"- {key}: {value}" for key, value in provenance.items() if isinstance(value, str)]
    return "\n".join([*lines, "", "```yaml", resolved_config.rstrip(), "```", ""])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
