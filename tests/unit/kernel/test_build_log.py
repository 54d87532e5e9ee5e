import pytest

from testbed.kernel.build_log import count_steps, first_error

COMPILE = """\
make: Entering directory '/cache/build'
  CC      net/mptcp/pm.o
  CC      net/mptcp/options.o
/src/net/mptcp/pm.c: In function 'mptcp_pm_new':
/src/net/mptcp/pm.c:42:9: warning: unused variable 'x' [-Wunused-variable]
/src/net/mptcp/pm.c:43:9: error: 'y' undeclared (first use in this function)
/src/net/mptcp/pm.c:44:9: error: expected ';'
make[4]: *** [/src/scripts/Makefile.build:229: net/mptcp/pm.o] Error 1
make[3]: *** [/src/scripts/Makefile.build:478: net/mptcp] Error 2
make: *** [Makefile:224: __sub-make] Error 2
"""
HEADER = (
    "  CC      fs/a.o\nfs/a.c:1:10: fatal error: linux/none.h: No such file or directory\ncompilation terminated.\n"
)
LINK = """\
  LD      .tmp_vmlinux1
ld: net/mptcp/pm.o: in function `mptcp_pm_new':
pm.c:(.text+0x10): undefined reference to `mptcp_gone'
collect2: error: ld returned 1 exit status
"""
DISK = """\
  CC      mm/slub.o
{standard input}: Assembler messages:
as: mm/slub.o: No space left on device
make[3]: *** [Makefile.build:229: mm/slub.o] Error 1
"""
TOOL = """\
  LEX     scripts/kconfig/lexer.lex.c
/bin/sh: 1: flex: not found
make[2]: *** [scripts/Makefile.host:9: scripts/kconfig/lexer.lex.c] Error 127
"""
MEMORY = (
    "  CC      kernel/bpf/verifier.o\ngcc: fatal error: Killed signal terminated program cc1\ncompilation terminated.\n"
)
KCONFIG = """\
  HOSTLD  scripts/kconfig/conf
net/mptcp/Kconfig:3: warning: leading whitespace ignored
crypto/Kconfig:1449: can't open file "arch/arm/crypto/Kconfig"
make[3]: *** [/src/scripts/kconfig/Makefile:85: allnoconfig] Error 1
"""
MAKE = "  GEN     Makefile\nmake[1]: *** No rule to make target 'arch/um/none.o', needed by 'vmlinux'.  Stop.\n"


@pytest.mark.parametrize(
    ("log", "line"),
    [
        (COMPILE, "/src/net/mptcp/pm.c:43:9: error: 'y' undeclared (first use in this function)"),
        (HEADER, "fs/a.c:1:10: fatal error: linux/none.h: No such file or directory"),
        (LINK, "pm.c:(.text+0x10): undefined reference to `mptcp_gone'"),
        (DISK, "as: mm/slub.o: No space left on device"),
        (TOOL, "/bin/sh: 1: flex: not found"),
        (MEMORY, "gcc: fatal error: Killed signal terminated program cc1"),
        (KCONFIG, 'crypto/Kconfig:1449: can\'t open file "arch/arm/crypto/Kconfig"'),
        (MAKE, "make[1]: *** No rule to make target 'arch/um/none.o', needed by 'vmlinux'.  Stop."),
        ("  CC      a.o\nsomething odd\n", "something odd"),
        ("", "no message"),
    ],
)
def test_the_line_that_explains_the_failure_is_found(log: str, line: str) -> None:
    assert first_error(log) == line


def test_steps_are_counted_and_other_lines_are_not() -> None:
    log = (
        "make: Entering directory '/b'\n  CC      init/main.o\n  AR      init/built-in.a\n  CC [M]  a.o\n"
        "  HOSTCC  scripts/kallsyms\n  LINK linux\nmain.c:1:1: warning: x\n    1 | int x;\n"
    )
    assert count_steps(log) == 5
