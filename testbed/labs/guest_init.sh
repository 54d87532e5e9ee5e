#!/bin/sh
# First program of a guest: hands over to the supervisor (testbed.labs.guest), which lays the mounts. Python wants to
# know these variables when it starts.
set -eu
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8
export HOME=/tmp PYTHONDONTWRITEBYTECODE=1 PYTHONHASHSEED=0
# The working directory of the guest's process on the host, whose /proc this still is.
IFS= read -r python </proc/self/cwd/python
exec "$python" -m testbed.labs.guest
