"""Speech corpora in the layouts they are distributed in, read as rows of text and recording."""
