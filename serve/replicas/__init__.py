"""What runs in the replicas of the graph: transcribers, the shards of the glossaries, and what they are made of."""
