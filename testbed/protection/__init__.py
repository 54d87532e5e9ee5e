"""Protections: who may reach a server's unique address, one file each."""
