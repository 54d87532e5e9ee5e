#!/bin/sh
# In gcc's place for a kernel's objects: one that is compiled with the flags of the precompiled headers has them.
#
# Beside this script lie common.h, its precompiled form, and `flags`: the words that an object's command must have, but
# for the object's own. GCC takes precompiled headers where they come first, and where no macro that they mention is
# defined before; so the macros with the object's name come after them, from a file. A command with other flags, and an
# object that the headers do not suit, is gcc's as it is.
here=${0%/*}
[ -r "$here/flags" ] || exec gcc "$@"
flags='' names='' source='' object='' dependencies=''
for word do
    case $word in
    -DKBUILD_*=* | -D__KBUILD_*=*)
        name=${word#-D}
        names="$names#define ${name%%=*} ${name#*=}
" ;;
    -Wp,-MMD,*) dependencies=${word#-Wp,-MMD,} ;;
    -I*) ;;
    *.c) source=$word ;;
    *.o) object=$word ;;
    *) flags="$flags $word" ;;
    esac
done
read -r wanted < "$here/flags"
[ "$flags" = " $wanted" ] || exec gcc "$@"
(
    for word do
        shift
        case $word in
        -DKBUILD_*=* | -D__KBUILD_*=* | -Wp,-MMD,*) ;;
        *) set -- "$@" "$word" ;;
        esac
    done
    printf '%s' "$names" > "$object.names.h"
    # What it depends on would be half of the source, and is asked for by a make that has another compiler: all is new.
    printf '%s: %s\n' "$object" "$source" > "$dependencies"
    exec gcc -include "$here/common.h" -include "$object.names.h" "$@" 2> /dev/null
) || exec gcc "$@"
