#!/bin/sh
# First program of a guest: lays the mounts and hands over to the supervisor (testbed.labs.guest).
# The host's root file system is read-only here. /tmp, /run and the like become empty tmpfs; what the
# toolkit itself needs from under them (a checkout in /tmp, say) is mounted back, read-only. It starts the same
# number of processes whatever these paths are: process ids and random numbers must not depend on them.
set -eu
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8
# Since util-linux 2.39 mount(8) takes the kernel's new interface, in which an option that is only a path has no name:
# hostfs refuses it. Older ones do not know the variable.
export LIBMOUNT_FORCE_MOUNT2=always

# The working directory of the guest's process on the host; until /proc is ours, we see the host's.
runtime=/proc/self/cwd
python=$(cat "$runtime/python")
expose=$(cat "$runtime/expose")
fstab=$(cat "$runtime/fstab")

mount -t proc proc /proc

mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/netns /run/lock /run/testbed/out
mount -t hostfs none /run/testbed/out -o "$runtime/window"
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount -t tmpfs -o mode=1777 tmpfs /var/tmp
if [ -d /sys/fs/cgroup ]; then mount -t cgroup2 cgroup2 /sys/fs/cgroup; fi
set -f
IFS='
'
mkdir -p /run/testbed $expose
unset IFS
printf '%s\n' "$fstab" >/run/testbed/fstab
mount --all --fstab /run/testbed/fstab

unset LIBMOUNT_FORCE_MOUNT2
export HOME=/tmp PYTHONDONTWRITEBYTECODE=1 PYTHONHASHSEED=0
exec "$python" -m testbed.labs.guest /run/testbed/out
