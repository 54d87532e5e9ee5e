"""The lab VM: a Debian machine under QEMU with the patched kernel, which the toolkit builds, starts and uses over SSH.

state        the one directory that has everything of it
image        its disk, made from Debian's packages (`root_files`: what is ours on it)
accelerator  KVM where it works, else QEMU's own translator
machine      the QEMU process: start, stop, and what is known of it
address      how to reach it by SSH
lab          the lab: the machine's own kernel, reached as any other host
"""
