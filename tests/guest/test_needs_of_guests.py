"""What only a trial can tell is tried in a guest."""

from __future__ import annotations

import pytest

from testbed.base.errors import PrerequisiteError
from testbed.base.needs import Call, Need
from testbed.labs.uml import UmlLab
from testbed.tools import lighttpd


def test_a_need_with_nothing_but_a_probe_is_tried_where_the_point_will_run(lab: UmlLab) -> None:
    own = Need(name="a moonbeam", purpose="counted", probe=(("ip", "link", "show", "moon"),), cure="look up")
    guest = Need(name="a guest", probe=(("grep", "-q", "User Mode Linux", "/proc/cpuinfo"),))
    found = lab.probe({own, lighttpd.UPLOADS, guest})
    assert {each.name: each.error for each in found} == {
        "a moonbeam": 'Device "moon" does not exist.',
        "lighttpd mod_webdav": "",
        "a guest": "",
    }
    with pytest.raises(PrerequisiteError) as caught:
        lab.require({own})
    assert str(caught.value) == "the uml lab lacks a moonbeam (counted) (look up)"


def test_every_probe_of_ours_works_in_the_lab_kernel(lab: UmlLab) -> None:
    from experiments.needs import every

    # Without their options, they are all tried.
    tried = [need.model_copy(update={"kernel_options": ()}) for need in every() if need.probe]
    assert any(isinstance(step, Call) for need in tried for step in need.probe)
    assert [(each.name, each.error) for each in lab.probe(tried) if not each.ok] == []
