"""The experiments: what varies (`*.toml`), their schema and plan, and how each scenario is driven.

May import testbed (not its CLI) and topologies; never reads a pcap and never plots.
"""
