"""Drivers of the programs that a point runs: lighttpd, ab, tcpdump, the userspace path manager."""
