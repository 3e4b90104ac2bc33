"""Speech synthesizers behind one interface."""
