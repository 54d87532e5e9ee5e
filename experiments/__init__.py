"""The experiments: what varies (`*.toml`), their schema and plan, the parts they are made of, and the agent.

May import testbed (not its CLI) and topologies; never reads a pcap and never plots.
"""
