"""The files of a run directory as typed data, for those who read them, and the one way in which results are written.

A run directory may come from anybody: reading has bounds, and errors name the file and the line.
"""
