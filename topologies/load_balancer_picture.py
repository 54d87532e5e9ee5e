"""The paper's Fig. 5 (`topologies.load_balancer`) as text."""

from __future__ import annotations

from topologies.links import LinkProfile
from topologies.load_balancer_plan import LoadBalancerPlan

_PICTURE = """\
              {client_director}
  client ------------------------- director        VIP {vip}
    | {client:<16}{director:>15} |
    | {client_direct:<32}| {server}
    |                                 |
    +----------------------------- server 1{more}
              {direct}
                                   unique {unique}, behind the director {local}
"""
_ONE_INTERFACE_PICTURE = """\
          {client_link}          {client_director}
  client ------------- switch ------------------------- director        VIP {vip}
    {client:<19}|                {director:>15} |
    {client_direct:<19}|                                | {server}
                       |                                |
                       +------------------------------ server 1{more}
                              {direct}
                                   unique {unique}, behind the director {local}
"""
_SEVERAL_PICTURE = """\
              {client_director}
  client ------------------------- router
    | {client:<16}{director:>15} | a hash of the flow
    |                           director 1 ... {directors}     VIP {vip} on each
    | {client_direct:<32}|
    |                                 | {server} each server
    +----------------------------- server 1{more}
              {direct}
                                   unique {unique}, behind director 1 {local}
"""


def picture(
    plan: LoadBalancerPlan,
    *,
    client_director: LinkProfile,
    direct: LinkProfile,
    director_server: LinkProfile,
    client_link: LinkProfile | None = None,
) -> str:
    """The topology with what its links are."""
    text = _SEVERAL_PICTURE if plan.several else _ONE_INTERFACE_PICTURE if client_link else _PICTURE
    return text.format(
        directors=len(plan.several),
        client_link=client_link or "",
        client_director=client_director,
        direct=direct,
        server=director_server,
        vip=plan.vip,
        client=plan.client_address,
        director=plan.director_address,
        client_direct=plan.client_direct_address,
        unique=plan.unique(1),
        local=plan.local(1),
        more=f" ... {plan.servers}" if plan.servers > 1 else "",
    )
