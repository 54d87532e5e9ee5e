"""The Mininet topologies of the paper and their address plans: pure description, no commands."""
