"""Keyword spotting by compressed acoustic embeddings. Empty until the spotter lands."""
