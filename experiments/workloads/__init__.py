"""Workloads: who sends what, and when it ends; one file each."""
