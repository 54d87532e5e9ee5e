"""The lab VM: a Debian machine under QEMU with the patched kernel, which the toolkit builds, starts and uses over SSH.

state           the one directory that has everything of it
image, disk     its disk, and the making of it from Debian's packages
packages        which, and where from; root_files: what is ours on it
user_namespace  root's rights over the disk's files, without root
accelerator     KVM where it works, else QEMU's own translator
qemu            the QEMU process: how it is started, told from others, and ended
machine         the machine: started for the user or for a run, and what is known of it
monitor         its power button
address         how to reach it by SSH
lab             the lab: the machine's own kernel, reached as any other host
"""
