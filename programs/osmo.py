"""Talks to Osmocom's daemons: osmo.py vty PORT (commands on stdin) | mgcp PORT COUNT"""

import re
import socket
import sys


def vty(port):
    link = socket.create_connection(("127.0.0.1", port), timeout=60)

    def answer():
        got = b""
        while not re.search(rb"Osmo\w+(\(\S*\))?[>#] $", got):
            piece = link.recv(65536)
            if not piece:
                break
            got += piece
        return got.decode("latin-1").replace("\r", "")

    answer()
    for line in ["enable", "terminal length 0", *sys.stdin.read().splitlines()]:
        link.sendall(line.encode() + b"\n")
        print(answer())


def mgcp(port, count):
    """Connections are made, changed, asked for and deleted."""
    link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    link.settimeout(60)
    link.connect(("127.0.0.1", port))
    asked = 0

    def ask(text):
        nonlocal asked
        asked += 1
        verb, rest = text.split(" ", 1)
        link.send(f"{verb} {asked} {rest}".replace("\n", "\r\n").encode())
        got = link.recv(8192).decode().replace("\r", "")
        print(got)
        return got

    for i in range(count):
        got = ask(f"CRCX rtpbridge/*@mgw MGCP 1.0\nC: {i:x}\nL: p:20, a:GSM\nM: recvonly\n")
        end = re.search(r"^Z: (\S+)", got, re.M).group(1)
        name = re.search(r"^I: (\S+)", got, re.M).group(1)
        ask(f"MDCX {end} MGCP 1.0\nC: {i:x}\nI: {name}\nM: sendrecv\n\n"
            "v=0\nc=IN IP4 127.0.0.1\nm=audio 20000 RTP/AVP 3\na=rtpmap:3 GSM/8000\n")
        ask(f"AUEP {end} MGCP 1.0\n")
        if i % 3:
            ask(f"DLCX {end} MGCP 1.0\nC: {i:x}\nI: {name}\n")


if sys.argv[1] == "vty":
    vty(int(sys.argv[2]))
else:
    mgcp(int(sys.argv[2]), int(sys.argv[3]))
