"""What biasing does to transcripts: by detections that are given, and by those that a search of glossaries makes."""
