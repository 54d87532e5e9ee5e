#!/bin/sh
# First program of a machine that counts: hands over to the supervisor, with the directory in which this script lies.
# Python wants to know these variables when it starts.
set -eu
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8
export HOME=/tmp PYTHONDONTWRITEBYTECODE=1 PYTHONHASHSEED=0
IFS= read -r python <"${0%/*}/python"
exec "$python" -m testbed.labs.counting.guest "${0%/*}"
