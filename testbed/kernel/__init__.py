"""The lab kernel: source, patches, configuration, build, and the cache that keeps what was built.

`testbed.kernel.build.build` makes a kernel, `testbed.kernel.build.find` finds one that is there.
Nothing in here starts a kernel: that is the labs' work.
"""
