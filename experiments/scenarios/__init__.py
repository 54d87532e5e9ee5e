"""How each scenario is driven inside a lab."""
