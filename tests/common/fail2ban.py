#!/usr/bin/env python3
"""Applies etc/fail2ban/filter.d/adit.conf to lines of a log, as fail2ban would.

usage: fail2ban.py FILTER MODE <LINES

For each line that matches, prints the address it names. Reads the filter with the interpolation
that fail2ban uses, Python's own; expands its tags <ADDR> and <mdre-<mode>>; takes dates off lines.
"""

import configparser
import re
import sys

# As narrow as fail2ban's own: nothing but an address, perhaps in brackets.
ADDRESS = (
    r"(?:\[?(?:(?P<ip4>(?:\d{1,3}\.){3}\d{1,3})"
    r"|(?P<ip6>(?:[0-9a-fA-F]{1,4}::?|::){1,7}(?:[0-9a-fA-F]{1,4}|(?<=:):)))\]?)"
)
DATE = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?Z")


def expressions(path, mode):
    parser = configparser.ConfigParser()
    parser.optionxform = str
    with open(path, encoding="utf-8") as file:
        parser.read_file(file)
    text = parser.get("Definition", "failregex").replace("<mode>", mode)
    name = re.fullmatch(r"<(mdre-[a-z]+)>", text).group(1)
    lines = parser.get("Definition", name).splitlines()
    # A group has one name in Python, and each line is an expression by itself.
    return [re.compile(line.replace("<ADDR>", ADDRESS)) for line in lines if line]


def main():
    path, mode = sys.argv[1:]
    found = expressions(path, mode)
    for line in sys.stdin:
        line = DATE.sub("", line.rstrip("\n"), count=1)
        for match in (expression.search(line) for expression in found):
            if match:
                print(match.group("ip4") or match.group("ip6"))
                break


main()
