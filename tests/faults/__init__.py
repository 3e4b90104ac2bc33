"""Tests that kill things and look at what is left."""
