# SPDX-License-Identifier: GPL-2.0-only
"""How often the module does something, by the kernel's function tracer."""
import lab

FOLDER = "/sys/kernel/tracing/"


def write(name, text):
    with open(FOLDER + name, "w", encoding="ascii") as file:
        file.write(text)


def calls(function, action):
    """How often a function of the module is entered while something is done."""
    write("current_tracer", "nop")
    write("set_ftrace_filter", function)
    write("trace", "")
    write("current_tracer", "function")
    try:
        action()
        with open(FOLDER + "trace", encoding="ascii") as file:
            return sum(f": {function} <-" in line for line in file)
    finally:
        write("current_tracer", "nop")
        write("set_ftrace_filter", "")
