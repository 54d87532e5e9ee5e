"""What becomes of many points: the order they run in, the directory they lie in, their digests, and its cleaning."""
