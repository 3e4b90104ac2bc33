"""CB-Whisper: transcripts that know which terms of a glossary were said, and are never worse for it."""
