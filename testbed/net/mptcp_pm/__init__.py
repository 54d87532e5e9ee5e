"""The generic-netlink family `mptcp_pm`: commands, events, and the subflows behind them.

`messages` has pyroute2 message classes for the whole family, in pyroute2's own style; `commands` and
`events` are what a path manager in user space sends and hears; `sockets` carries both; `subflows`
lists the subflows of a namespace, for one who missed events. IPv4 and IPv6 throughout.

Sources: include/uapi/linux/mptcp_pm.h, Documentation/netlink/specs/mptcp_pm.yaml,
net/mptcp/pm_userspace.c and net/mptcp/diag.c of the kernel.
"""
