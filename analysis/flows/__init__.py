"""From packets to connections: conversations, TCP flows, MPTCP connections and subflows, RSTs and their causes.

Enters: packets of `analysis.pcap`, and who is who. Nothing is written here.
"""
