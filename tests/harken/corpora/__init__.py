"""Tests of speech corpora."""
