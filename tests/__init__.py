"""Tests, in folders that mirror the rooms; `slow` ones run for over 20 seconds, `faults` ones kill things."""
