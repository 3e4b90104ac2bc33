"""Keyword spotting by compressed acoustic embeddings (Massive Open-Vocabulary Keyword Spotting).

Encoder frames of a term and of an utterance (`features`, `frames`) are compressed (`layer_gate`, `projector`,
`halver`), compared by cosine (`similarity`), and the maps are judged by a residual network (`verifier`). `spotter`
is the whole of it, `training` teaches it, `embeddings` is what a small glossary keeps of a term; `glossary` is the
store for up to millions, in `quantisation`'s few bits a value.
"""
