"""The search of a glossary for the terms that one utterance says, in three stages of falling number and rising cost.

`search` runs a shard's stages (span embeddings, paths, `verification`) on a compressed `utterance` and gives a
`result`; `merging` makes detections of the results of all shards.
"""
