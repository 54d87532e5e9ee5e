"""The ground floor: files, foreign text and data, and whatever else every room may use. The standard library alone."""
