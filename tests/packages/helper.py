#!/usr/bin/env python3
"""What tests/packages/run would rather not do in shell.

helper.py hold NAME PORT...      takes UDP ports until it is ended, as a process of that name
helper.py contain ROOT CAPABILITY PROGRAM...
                                 runs a program as in a container: in ROOT, as its user 0, with the
                                 one capability of that number
"""

import ctypes
import os
import signal
import socket
import sys

PR_SET_NAME = 15
PR_CAPBSET_READ = 23
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38

libc = ctypes.CDLL(None, use_errno=True)


def hold(name, *ports):
    libc.prctl(PR_SET_NAME, name.encode(), 0, 0, 0)
    taken = []
    for port in ports:
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind(("", int(port)))
        taken.append(s)
    signal.pause()


def contain(root, capability, *command):
    os.chroot(root)
    os.chdir("/")
    number = 0
    while libc.prctl(PR_CAPBSET_READ, number, 0, 0, 0) >= 0:
        if number != int(capability) and libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "PR_CAPBSET_DROP")
        number += 1
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    os.execv(command[0], command)


sys.exit({"hold": hold, "contain": contain}[sys.argv[1]](*sys.argv[2:]))
