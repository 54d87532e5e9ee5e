# Completion of testbed's commands, options, experiments and files for fish: click's own, from the installed command.
_TESTBED_COMPLETE=fish_source testbed | source
