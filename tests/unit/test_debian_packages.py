"""The lists of Debian packages, and what dpkg says of them."""

from __future__ import annotations

from testbed.debian_packages import debian_packages, package_versions


def test_the_list_of_packages_has_no_comments() -> None:
    names = debian_packages()
    assert "lighttpd" in names
    assert all(name.isascii() and " " not in name and "#" not in name for name in names)


def test_a_package_that_is_not_installed_has_no_version() -> None:
    assert package_versions(["no-such-package-anywhere"]) == {}
