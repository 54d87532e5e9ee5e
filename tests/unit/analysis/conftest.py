from hypothesis import settings

# More of the same: pytest tests/unit/analysis --hypothesis-profile=deep
settings.register_profile("deep", max_examples=2000)
