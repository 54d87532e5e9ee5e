"""`python -m testbed`: the command line, where the script `testbed` is not on the path."""

from testbed.cli.main import main

if __name__ == "__main__":
    main()
