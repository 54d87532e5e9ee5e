"""Directors: what spreads the service address over the servers, one file each."""
