"""One connection again and again, each time with a fault: what is planned, and what a guest does."""
