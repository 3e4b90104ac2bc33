"""Tests of customer portraits."""
