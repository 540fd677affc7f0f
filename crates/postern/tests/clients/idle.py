"""Clients that say half of something and wait: `http|tls|dns HOST PORT COUNT`. Prints a line when all stand, and lets
go at the end of its input."""

import socket
import ssl
import sys

kind, host, port, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
context = ssl._create_unverified_context()
held = []
for number in range(count):
    client = socket.create_connection((host, port), timeout=10)
    if kind == "http":
        client.sendall(b"POST /clusters HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n")
        if number % 2:
            client.sendall(b"\r\n{")
    elif kind == "dns":
        client.sendall(b"\x00\x20a")
    elif number % 2:
        client.sendall(b"\x16\x03\x01")
    else:
        client = context.wrap_socket(client, server_hostname=host)
        client.sendall(b"GET /version HTTP/1.1\r\nHost: ")
    held.append(client)
print("all stand", flush=True)
sys.stdin.read()
