"""`python -m experiments`: the command line, where the script `testbed` is not on the path."""

from experiments.cli.main import main

if __name__ == "__main__":
    main()
