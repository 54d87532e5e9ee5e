"""Timetables: what happens to the servers' pool, and when; one file each."""
