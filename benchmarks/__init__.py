"""Measurements that print ratios: Harken beside the simplest program that does the same, in the same run.

Every benchmark is ``python -m benchmarks.NAME``. It prints a table; with ``--json`` its last line is one JSON object
with the figures and ``"targets": {name: {"value", "target", "holds"}}``. Benchmarks are no part of a run: no room
imports them.
"""
