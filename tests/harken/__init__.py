"""Tests of the room harken."""
