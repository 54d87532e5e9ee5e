"""A machine that counts instructions: the patched x86-64 kernel under QEMU, its instructions counted.

`counter.c` counts inside QEMU, `counter.py` builds it, `machine.py` runs a job in the machine, `guest.py` is its first
program, `marks.py` is how a program in it has the counts written down.
"""
