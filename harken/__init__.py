"""The ground: configuration, records, text, audio, Whisper, metrics and the report; imports no other room."""
