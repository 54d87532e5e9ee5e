"""The lab `local`: this machine's own kernel, in namespaces that end with the job."""
