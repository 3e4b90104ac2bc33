"""Customer portraits: known labels, where a transcript mentions them, and the products they speak for."""
