"""Typed wrappers of what the kernel is asked to do: namespaces, netem, IPVS, routes, MPTCP."""
