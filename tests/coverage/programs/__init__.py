# SPDX-License-Identifier: Apache-2.0
"""The programs: each a function that is given a Stage, in a file per family. The decorator says the name in the table, the
Debian packages, whether the quick test has it, and what about it is known not to be seen."""

import importlib
import os

TABLE = {}


class Program:
    def __init__(self, name, packages, play, quick, known, version):
        self.name, self.packages, self.play, self.quick, self.known = name, packages.split(), play, quick, known
        self.version = version or self.packages[0]


def program(name, packages, quick=False, known="", version=None):
    """known: what is not seen, and why that is as it should be; shown in the table."""
    def add(play):
        TABLE[name] = Program(name, packages, play, quick, known, version)
        return play
    return add


def load_all():
    for name in sorted(os.listdir(os.path.dirname(__file__))):
        if name.endswith(".py") and name != "__init__.py":
            importlib.import_module("programs." + name[:-3])
    return TABLE
