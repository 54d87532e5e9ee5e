"""The paper's path manager for load balancers (Fig. 4) as a daemon, for a kernel that one cannot patch.

On a server, for each connection that a client opens to the shared (virtual, anycast) address: make the
initial subflow a backup, announce this server's own address; where asked, close the initial subflow
once another one is up. `figure4` decides, `daemon` listens to the kernel and does it, `journal` notes it.

What it needs: `net.mptcp.pm_type = 1` in its network namespace, CAP_NET_ADMIN, and, for the paper's B
flag, `net.mptcp.allow_join_initial_addr_port = 0`. The kernel's own endpoints play no part then.

If it dies, the kernel refuses further joins (it lets a connection have more subflows only as long as
somebody hears its events): established subflows go on, new connections stay on their initial one. A
new daemon finds the connections that there are, and treats them as if they were new; but a client whose
join was refused meanwhile may count that address as tried, and stay where it is.

In virtual time the daemon is infinitely fast, since CPU work takes none: it shows what a path manager
in user space can do, not what it costs. For the cost, run the same point with `clocks = ["real"]`.
"""
