"""The set-ups: Mininet topologies and their address plans. Pure description, no commands."""
