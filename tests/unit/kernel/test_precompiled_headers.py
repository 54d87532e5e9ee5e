"""The compiler with precompiled headers, tried with the real one on sources of a few lines."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from testbed.kernel import precompiled
from testbed.kernel.precompiled import HEADER, SAMPLE, PrecompiledHeaders
from testbed.kernel.recipe import PATCH_FOLDER, read_recipe
from testbed.kernel.source import DebianSource

LIST = """\
/* what it is for */
#define KBUILD_MODNAME "headers"
static inline const char *of_headers(void) { return KBUILD_MODNAME; }
#undef KBUILD_MODNAME
#define SEEN " with headers"
int taken(int);
"""
SOURCE = """\
#ifndef SEEN
#define SEEN " alone"
#endif
const char text[] = KBUILD_MODNAME SEEN;
"""
FLAGS = ("-D__KERNEL__", "-O2", "-include", "first.h")
LATER = 'static int taken;\nconst char text[] = "taken alone";\n'


@pytest.fixture
def objects(tmp_path: Path) -> Path:
    """The build's directory: the sample has been compiled, and the compiler's command for it is kept."""
    folder = tmp_path / "build"
    (folder / "net").mkdir(parents=True)
    (folder / "first.h").write_text("#define FIRST 1\n")
    (folder / "net" / "socket.c").write_text(SOURCE)
    return folder


@pytest.fixture
def headers(tmp_path: Path, objects: Path) -> PrecompiledHeaders:
    (tmp_path / HEADER).write_text(LIST)
    headers = PrecompiledHeaders(tmp_path / "headers", tmp_path / HEADER)
    assert text_of(headers, objects, SAMPLE, "socket") == "socket alone"
    words = " ".join(command(headers, SAMPLE, "socket")).replace('"', '\\"')
    (objects / "net" / ".socket.o.cmd").write_text(f"savedcmd_net/socket.o := {words} ; true\n\nmore\n")
    return headers


def command(headers: PrecompiledHeaders, made: str, name: str, *more: str) -> list[str]:
    folder, _, file = made.rpartition("/")
    own = (f'-DKBUILD_MODNAME="{name}"', f"-D__KBUILD_MODNAME=kmod_{name}")
    source = made.replace(".o", ".c")
    return [
        *(str(headers.compiler), f"-Wp,-MMD,{folder}/.{file}.d", f"-I{folder}", *FLAGS),
        *(*more, *own, "-c", "-o", made, source),
    ]


def text_of(headers: PrecompiledHeaders, objects: Path, made: str, name: str, *more: str) -> str:
    """What an object that has just been compiled says of how that was done."""
    subprocess.run(command(headers, made, name, *more), cwd=objects, check=True, capture_output=True)
    found = subprocess.run(["strings", "-n", "5", made], cwd=objects, check=True, capture_output=True, text=True)
    return next(line for line in found.stdout.splitlines() if line.endswith(("alone", "with headers")))


def test_an_object_with_the_samples_flags_has_the_headers_and_its_own_name(
    headers: PrecompiledHeaders, objects: Path
) -> None:
    assert headers.make(objects).startswith("precompiled headers: ")
    (objects / "net" / "other.c").write_text(SOURCE)
    assert text_of(headers, objects, "net/other.o", "other") == "other with headers"
    assert (objects / "net" / ".other.o.d").read_text() == "net/other.o: net/other.c\n"


def test_an_object_with_other_flags_is_compiled_without(headers: PrecompiledHeaders, objects: Path) -> None:
    headers.make(objects)
    (objects / "net" / "other.c").write_text(SOURCE)
    assert text_of(headers, objects, "net/other.o", "other", "-fno-inline") == "other alone"


def test_an_object_that_the_headers_do_not_suit_is_compiled_without(headers: PrecompiledHeaders, objects: Path) -> None:
    headers.make(objects)
    (objects / "net" / "other.c").write_text(LATER)
    assert text_of(headers, objects, "net/other.o", "other") == "taken alone"


def test_an_error_is_the_compilers_own(headers: PrecompiledHeaders, objects: Path) -> None:
    headers.make(objects)
    (objects / "net" / "other.c").write_text("int x = y;\n")
    done = subprocess.run(
        command(headers, "net/other.o", "other"), cwd=objects, check=False, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.count("'y' undeclared") + done.stderr.count("‘y’ undeclared") == 1


def test_headers_that_do_not_compile_are_left_out(tmp_path: Path, headers: PrecompiledHeaders, objects: Path) -> None:
    (tmp_path / "headers" / "common.h").write_text("#include <linux/no-such-file.h>\n")
    assert headers.make(objects).startswith("the precompiled headers are left out: ")
    assert text_of(headers, objects, SAMPLE, "socket") == "socket alone"


def test_the_list_is_part_of_a_kernels_identity_but_for_its_comments(tmp_path: Path) -> None:
    recipe = read_recipe(DebianSource("6.12.1-1"), patches=False)
    assert recipe.headers == PATCH_FOLDER / "common" / HEADER
    list_, longer = tmp_path / "list.h", tmp_path / "longer.h"
    list_.write_text(LIST)
    longer.write_text(LIST + "#include <linux/more.h>\n")
    assert precompiled.digest(list_) != precompiled.digest(longer)
    assert replace(recipe, headers=list_).id != replace(recipe, headers=longer).id
    longer.write_text(LIST.replace("what it is for", "what else it is for"))
    assert replace(recipe, headers=list_).id == replace(recipe, headers=longer).id
