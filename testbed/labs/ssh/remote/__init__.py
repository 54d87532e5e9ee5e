"""What runs on the other machine; it is sent there, and talks to this side in JSON over the SSH connection."""
