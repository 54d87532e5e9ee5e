/* SPDX-License-Identifier: GPL-2.0-only
 *
 * What is compiled once for most of a kernel's objects: headers that half of them
 * include, and that take the longer part of the time for a small one. They change what
 * an object is made from by declarations alone. None of them may be one that a source
 * file wants to include with macros of its own.
 */
#include <linux/kconfig.h>
#include <linux/compiler_types.h>

/* Header files have it in messages of functions that drivers call. */
#define KBUILD_MODNAME "kernel"

#include <linux/module.h>
#include <linux/skbuff.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <linux/seq_file.h>
#include <linux/proc_fs.h>
#include <linux/inetdevice.h>
#include <net/net_namespace.h>
#include <net/sock.h>
#include <net/tcp.h>
#include <net/ipv6.h>
#include <net/addrconf.h>

#undef KBUILD_MODNAME
