#!/usr/bin/env bash
# Copyright 2026 mcn_ros contributors
# SPDX-License-Identifier: Apache-2.0
#
# Makes .venv in the checkout: Python with all libraries, ROS 2, the messages and mcn_ros itself.
#
# Where ROS 2 is sourced, the environment builds on it and gets only what it lacks; everywhere
# else ROS 2 comes from PyPI. A step is done again when its inputs have changed, so this takes no
# time when all is in place, and it may be stopped at any moment and run again.
set -euo pipefail
shopt -s nullglob
cd "$(dirname "${BASH_SOURCE[0]}")/.."

root=$(pwd -P)
venv=$root/.venv
state=$venv/.mcn  # a file for each finished step, with the inputs that it was done for; logs

# What a shell inside of the environment hands down must not take part in making it.
PATH=${PATH//"$venv/bin:"/}
unset PYTHONHOME VIRTUAL_ENV _ROS_WHEELS_BOOTSTRAP_COMPLETE

say() { echo "setup: $*" >&2; }

fail() {
    echo "error: $*" >&2
    exit 1
}

# quietly STEP COMMAND...: the output of the command is shown only when it fails.
quietly() {
    local log=$state/$1.log
    shift
    "$@" &> "$log" || {
        # A full disk leaves no room for the log either.
        [[ -s $log ]] && ! grep -q 'No space left on device' "$log" ||
            fail "the disk seems to be full: make room, and run this again; output is in $log"
        tail -n 15 "$log" >&2
        fail "set-up failed; the whole output is in $log"
    }
}

# ---- What is there, and what is wanted ----

# Prints the prefix of the sourced ROS 2, or "wheels" when there is none.
find_ros() {
    local prefixes prefix
    IFS=: read -ra prefixes <<< "${ROS_DISTRO:+${AMENT_PREFIX_PATH:-}}"
    for prefix in "${prefixes[@]}"; do
        if [[ $prefix != "$venv" && -e $prefix/share/rclpy/package.xml ]]; then
            echo "$prefix"
            return
        fi
    done
    echo wheels
}

digest() { sha256sum "$@" | sha256sum | cut -c -64; }

ros=$(find_ros)
messages=({mcn_ros_msgs,standalone/vision_msgs}/{package.xml,CMakeLists.txt,msg/*})
# These are linked into the environment: which ones there are matters here, not what is in them.
linked=(launch/*.py config/* config/train/*.yaml models/*)

declare -A inputs
inputs[environment]=$root:$ros
inputs[packages]=$(digest standalone/{setup.sh,install.py,*.txt})
inputs[messages]=${inputs[packages]}:$(digest "${messages[@]}")
inputs[product]=${inputs[messages]}:$(digest package.xml setup.py setup.cfg):${linked[*]}

is_done() { [[ -e $state/$1 && $(< "$state/$1") == "${inputs[$1]}" ]]; }

# The interpreter that the environment was made with can be upgraded or removed.
interpreter_is_same() {
    [[ -e $state/interpreter &&
        $(readlink -e "$venv/bin/python") == "$(< "$state/interpreter")" ]]
}

# ---- The steps ----

# Sets `python` to one that can make environments and has the C headers that messages need.
find_python() {
    local test='
import os, sys, sysconfig
import ensurepip, venv
assert (3, 11) <= sys.version_info[:2] <= (3, 14)
assert os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h"))
'
    [[ $ros == wheels ]] || test+='import rclpy'
    for python in python3 python3.14 python3.13 python3.12 python3.11 /usr/bin/python3; do
        if "$python" -c "$test" &> /dev/null; then
            return
        fi
    done
    [[ $ros == wheels ]] ||
        fail "found no Python 3.11 to 3.14 with venv and C headers that imports rclpy from $ros" \
            '(mcn_ros needs ROS 2 Jazzy or newer, and on Ubuntu: apt install python3-venv python3-dev)'
    fail 'found no Python 3.11 to 3.14 with venv and C headers' \
        '(on Debian and Ubuntu: apt install python3-venv python3-dev)'
}

check_machine() {
    [[ $ros != wheels || $(uname -sm) == 'Linux x86_64' && $(getconf GNU_LIBC_VERSION) ]] ||
        fail 'without ROS 2, mcn_ros needs x86-64 Linux with glibc; install ROS 2 and source it'
    type "${CXX:-c++}" &> /dev/null ||
        fail 'found no C++ compiler for the messages (on Debian and Ubuntu: apt install g++)'
}

make_environment() {
    local options=()
    [[ ! -e $venv || -d $state ]] || fail "$venv was not made by mcn_ros; move it away"
    if [[ -n $made_for && ${made_for%:*} != "$root" ]]; then
        say "the checkout was in ${made_for%:*}; its environment cannot move and is made anew"
    elif [[ -n $made_for ]]; then
        say 'the environment is unfinished, or made on another ROS 2 or Python; it is made anew'
    fi
    mkdir -p "$state"
    # The directory of the stamps always stays: it says that the environment is ours to remove.
    rm -f "$state"/*
    find "$venv" -mindepth 1 -maxdepth 1 ! -path "$state" -exec rm -rf {} +

    say "making $venv with $("$python" --version)"
    [[ $ros == wheels ]] || options+=(--system-site-packages)
    quietly environment "$python" -m venv "${options[@]}" "$venv"
    readlink -e "$venv/bin/python" > "$state/interpreter"
}

# The CMake files of the wheels name the Python of the machine that built them.
patch_wheels() {
    "$venv/bin/python" - << 'EOF'
import pathlib
import re
import sys
import sysconfig

import numpy

paths = {
    r'/opt/python/[^";]*/numpy/_core/include': numpy.get_include(),
    r'/opt/python/[^";/]*/include/python3\.\d+': sysconfig.get_path('include'),
}
for file in pathlib.Path(sys.prefix, 'share').rglob('*.cmake'):
    text = patched = file.read_text()
    for theirs, ours in paths.items():
        patched = re.sub(theirs, lambda match: ours, patched)
    if patched != text:
        file.write_text(patched)
EOF
}

install_packages() {
    local which=(standalone/hashes.txt)
    if [[ $ros == wheels ]]; then
        say 'installing ROS 2 and the libraries (at first 2 minutes or more, 3 GB to download)'
    else
        # What ROS 2 has stays in use: its compiled modules are made for its NumPy and its OpenCV.
        say "installing the libraries that $ros lacks (at first up to 3 GB to download)"
        which+=(standalone/requirements.txt)
    fi
    rm -f "$state/packages.log"
    # Half a package can pass for a whole one. Only a pip that was killed leaves this file behind.
    touch "$state/installing"
    "$venv/bin/python" standalone/install.py "$state/packages.log" "${which[@]}" || {
        rm "$state/installing"
        exit 1
    }
    rm "$state/installing"
    [[ $ros != wheels ]] || patch_wheels
}

colcon_build() {
    AMENT_PREFIX_PATH=$venv:${AMENT_PREFIX_PATH:-} CMAKE_PREFIX_PATH=$venv:${CMAKE_PREFIX_PATH:-} \
        PATH=$venv/bin:$PATH CMAKE_GENERATOR=Ninja "$venv/bin/python" -m colcon --log-base "$venv/log" build \
        --build-base "$venv/build" --install-base "$venv" --merge-install --executor sequential "$@"
}

build_messages() {
    local sources=(mcn_ros_msgs)
    say 'building the messages (1 minute)'
    rm -rf "$venv/build"
    if [[ $ros == wheels ]] || ! "$venv/bin/python" -c 'import vision_msgs.msg' &> /dev/null; then
        # colcon ignores the original, lest it compete with a vision_msgs in a user's workspace.
        mkdir -p "$venv/build/source/vision_msgs"
        ln -s "$root"/standalone/vision_msgs/{package.xml,CMakeLists.txt,msg} \
            "$venv/build/source/vision_msgs"
        sources+=("$venv/build/source/vision_msgs")
    fi
    quietly messages colcon_build --base-paths "${sources[@]}" \
        --cmake-args -DBUILD_TESTING=OFF "-DPython3_EXECUTABLE=$venv/bin/python"
}

# The sources of mcn_ros stay where they are, and edits take effect; ROS 2 finds it as a package.
link_product() {
    local site
    say 'linking mcn_ros'
    rm -rf "$venv"/{build,lib,share}/mcn_ros  # colcon would leave links to files that are gone
    quietly product colcon_build --symlink-install --base-paths .
    site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    echo "$venv/build/mcn_ros" > "$site/mcn_ros.pth"
    quietly product "$venv/bin/python" -c 'import cv_bridge, rclpy, torch, torchvision
import mcn_ros_msgs.msg, vision_msgs.msg'
}

# run STEP FUNCTION: the stamp is there only while what it stands for is whole.
run() {
    rm -f "$state/$1"
    "$2"
    echo "${inputs[$1]}" > "$state/$1"
}

# ---- What is left to do ----

all_done() {
    is_done environment && is_done packages && is_done messages && is_done product &&
        interpreter_is_same
}

all_done && exit

# The lock is on a directory, and pip and colcon inherit it: it holds until the last one has ended.
if type flock &> /dev/null; then
    exec 9< standalone
    flock -n 9 || {
        say 'another set-up of this checkout is running; waiting for it'
        flock 9
        all_done && exit
    }
fi
made_for=''  # what the environment was made for, if there is one
[[ ! -e $state/environment ]] || made_for=$(< "$state/environment")
if [[ $ros == wheels && $made_for == "$root:/"* ]]; then
    fail "the environment was made on a ROS 2 that is not sourced now; source it, or remove $venv"
fi
find_python
check_machine
is_done environment && interpreter_is_same && [[ ! -e $state/installing ]] ||
    run environment make_environment
is_done packages || run packages install_packages
is_done messages || run messages build_messages
is_done product || run product link_product
say 'done'
