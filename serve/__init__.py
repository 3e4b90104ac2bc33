"""The service: an HTTP face of OpenAI's shape over a backend that transcribes with a glossary."""
