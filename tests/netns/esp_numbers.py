#!/usr/bin/env python3
"""Reads the sequence numbers of ESP on the wire while many flows go through a tunnel.

esp_numbers.py INTERFACE TO INNER PORTS COUNT

Sends UDP from PORTS sockets at once, each in a process of its own, COUNT datagrams each to INNER:
through the tunnel, that is. Meanwhile it looks at what leaves INTERFACE for TO, in UDP 4500 or as
protocol 50. The numbers of an association must be consecutive, without a gap and in order.
Prints how many packets were seen; exits with 1 if any was out of its place.
"""

import os
import socket
import struct
import sys

ETH_P_ALL = 3
SOL_PACKET = 263
PACKET_VNET_HDR = 15
PACKET_OUTGOING = 4
VNET_HEADER = 10
ETHERNET = 14
ESP_PROTOCOL = 50
NATT = 4500


def flow(inner, port, count):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("", port))
        for number in range(count):
            # Lengths differ, so that not everything leaves in one message.
            s.sendto(bytes(20 + (number * 37 + port) % 900), (inner, 9))


def listen(interface):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    s.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
    # Super-packets are seen before they are cut: the header in front says where.
    s.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    s.bind((interface, 0))
    s.settimeout(2)
    return s


def esp_packets(frame, to):
    """Each ESP packet in a frame."""
    segment = struct.unpack("=H", frame[4:6])[0]
    ip = frame[VNET_HEADER + ETHERNET :]
    if len(ip) < 20 or ip[0] >> 4 != 4 or socket.inet_ntoa(ip[16:20]) != to:
        return
    payload = ip[(ip[0] & 0x0F) * 4 : struct.unpack(">H", ip[2:4])[0]]
    if ip[9] == ESP_PROTOCOL:
        yield payload
    elif ip[9] == socket.IPPROTO_UDP and struct.unpack(">H", payload[:2])[0] == NATT:
        payload = payload[8:]
        size = segment or len(payload) or 1
        for at in range(0, len(payload), size):
            packet = payload[at : at + size]
            if len(packet) >= 8 and packet[:4] != bytes(4):
                yield packet


def main(interface, to, inner, ports, count):
    ports, count = int(ports), int(count)
    wire = listen(interface)
    children = []
    for port in range(20000, 20000 + ports):
        child = os.fork()
        if child == 0:
            flow(inner, port, count)
            os._exit(0)
        children.append(child)
    last, seen, wrong = {}, 0, []
    try:
        while True:
            frame, (_, _, kind, _, _) = wire.recvfrom(1 << 17)
            if kind != PACKET_OUTGOING:
                continue
            for packet in esp_packets(frame, to):
                spi, number = struct.unpack(">II", packet[:8])
                if spi in last and number != last[spi] + 1:
                    wrong.append((last[spi], number))
                last[spi] = number
                seen += 1
    except TimeoutError:
        pass
    for child in children:
        os.waitpid(child, 0)
    # What the sockets could not take was dropped before it got a number.
    print(f"{seen} packets, {len(wrong)} out of place {wrong[:5]}")
    return 0 if seen > count and not wrong else 1


if __name__ == "__main__":
    if len(sys.argv) != 6:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
