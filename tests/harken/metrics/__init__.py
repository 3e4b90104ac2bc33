"""Tests of harken.metrics."""
