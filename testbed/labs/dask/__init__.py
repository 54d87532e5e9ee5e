"""The lab `dask:ADDRESS`: the workers of a Dask cluster run the points, each in a guest of its own machine."""
