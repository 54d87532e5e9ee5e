"""The places where a point can run."""
