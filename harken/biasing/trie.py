"""A trie of token sequences: all the ways in which the detected terms may be written by a decoder."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field


@dataclass
class TrieNode:
    """A beginning of sequences: what may follow, which terms it leads to, and whether it ends one."""

    children: dict[int, "TrieNode"] = field(default_factory=dict)
    terms: set[int] = field(default_factory=set)
    ends: bool = False


def build_trie(sequences: Iterable[tuple[int, Sequence[int]]]) -> TrieNode:
    """The root of a trie of ``(term, tokens)``; a term may have any number of sequences."""
    root = TrieNode()
    for term, tokens in sequences:
        node = root
        for token in tokens:
            node = node.children.setdefault(token, TrieNode())
            node.terms.add(term)
        node.ends = node is not root
    return root


def written_forms(spellings: Iterable[str]) -> list[str]:
    """The spellings with their variants of case, and each after a space too, as decoders begin words with one.

    >>> written_forms(["Kelly"])
    ['Kelly', ' Kelly', 'kelly', ' kelly', 'KELLY', ' KELLY']
    """
    forms = [form for spelling in spellings for form in (spelling, spelling.lower(), spelling.upper())]
    return [spaced for form in dict.fromkeys(forms) for spaced in (form, f" {form}")]


def term_trie(spellings: Sequence[Iterable[str]], encode: Callable[[str], Sequence[int]]) -> TrieNode:
    """A trie of terms, each with its spellings; `encode` gives a text's tokens without special ones."""
    return build_trie((term, encode(form)) for term, written in enumerate(spellings) for form in written_forms(written))
