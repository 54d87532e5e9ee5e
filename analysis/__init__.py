"""What a run's raw files say: decoders (pcap, TCP, MPTCP options, ab), summary and figures.

Reads run directories and writes `summary.json`, `summary.txt` and `figures/` beside them. It needs no
kernel, no root and nothing of the rest of the toolkit; `README.md` documents the files it writes.
"""
