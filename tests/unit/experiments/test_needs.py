from __future__ import annotations

from experiments import needs, plan


def features(figure: str, protocol: str, *overrides: str) -> frozenset[str]:
    experiment = plan.load(plan.find(figure))
    point = next(p for p in plan.plan(experiment, overrides=overrides) if p.protocol == protocol)
    return needs.features(point)


def of_the_kernel(found: frozenset[str]) -> set[str]:
    return {name for name in found if ":" not in name}


def test_plain_rates_need_no_netem() -> None:
    assert of_the_kernel(features("13", "tcp")) == {"veth", "rate", "tbf", "multipath"}
    assert of_the_kernel(features("14", "mptcp")) == {"veth", "rate", "tbf", "multipath", "mptcp"}
    assert of_the_kernel(features("6", "tcp")) == {"veth", "rate", "tbf", "ipvs"}


def test_delay_or_loss_needs_netem() -> None:
    assert "netem" in features("8", "tcp")
    assert "netem" in features("7", "tcp", "topology.client_director.loss=1 %")
    assert "command:ethtool" in features("7", "tcp", "topology.client_director.loss=1 %")
    assert "command:ethtool" not in features("7", "tcp")


def test_several_servers_need_a_bridge() -> None:
    assert "bridge" in features("7", "tcp", "topology.servers=3")
    assert "bridge" not in features("7", "tcp")


def test_the_patches_are_needed_only_where_they_are_asked_for() -> None:
    asked = features("7", "mptcp", "mptcp.lb_mode=close", "mptcp.add_addr_resend_interval=10 ms")
    patched = {"sysctl:net.mptcp.lb_mode", "sysctl:net.mptcp.add_addr_resend_interval"}
    assert patched <= asked
    assert not patched & features("7", "mptcp")
    assert not patched & features("7", "tcp", "mptcp.lb_mode=close")


def test_extra_sysctls_and_those_of_the_hash_are_asked_for() -> None:
    assert "sysctl:net.ipv4.tcp_tso_rtt_log" in features("13", "tcp", 'sysctl."net.ipv4.tcp_tso_rtt_log"=30')
    assert "sysctl:net.ipv4.fib_multipath_hash_fields" in features("13", "tcp")
    assert "sysctl:net.ipv4.fib_multipath_hash_seed" in features("13", "tcp")
    assert "sysctl:net.ipv4.fib_multipath_hash_seed" not in features("7", "tcp")


def test_uploads_need_the_web_servers_module_for_them() -> None:
    assert "lighttpd:mod_webdav" in features("upload", "tcp")
    assert "lighttpd:mod_webdav" not in features("7", "tcp")


def test_a_chosen_loss_needs_bpf_and_its_compiler() -> None:
    asked = features("7", "mptcp", "drop.packet=add-addr", 'protocols=["mptcp"]')
    assert {"loss-injection", "command:bpf-gcc", "bridge"} <= asked
