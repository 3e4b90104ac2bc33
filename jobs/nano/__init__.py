"""Trains the embedded nano-Whisper from scratch on synthetic speech."""
