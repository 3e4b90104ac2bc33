"""A glossary of up to millions of terms as compressed recordings: versioned files that open by memory map.

`store` adds, removes and compacts; `glossary` is one opened version, as `reader` promises it to the search. A version
(`manifest`) is a list of immutable `segment`s less the entries that were removed since; `writer` makes a segment of
`entry`s and their enrolments, `span_index` finds those that a window of an utterance resembles.
"""
