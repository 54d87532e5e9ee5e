"""Two runs, or two labs, side by side: do they agree, and where do they part?"""
