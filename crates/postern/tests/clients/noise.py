"""Random bytes at an address: `udp|tcp HOST PORT COUNT`. Fails if a connection is neither answered nor closed."""

import os
import random
import select
import socket
import sys

kind, host, port, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
seed = int.from_bytes(os.urandom(4), "big")
print("seed", seed)
dice = random.Random(seed)

if kind == "udp":
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.connect((host, port))
    answers = 0
    for number in range(count):
        noise = bytearray(dice.randbytes(dice.randrange(1400)))
        if number % 2 and len(noise) > 12:
            noise[2] &= 7  # a standard query with one question, so that the rest is read too
            noise[4:12] = bytes((0, 1, 0, 0, 0, 0, 0, 1))
        sender.send(noise)
        while select.select([sender], [], [], 0.05 if number % 50 == 49 else 0)[0]:
            answers += bool(sender.recv(4096))
    assert answers > count // 10, f"{answers} answers: what has a header is told that it is wrong"
else:
    for number in range(count):
        with socket.create_connection((host, port), timeout=10) as client:
            noise = dice.randbytes(dice.randrange(1, 700))
            if number % 3 == 0:
                noise = b"\x16\x03\x01\x00\xfa" + noise  # as if it were a TLS hello
            try:
                client.sendall(noise)
                if number % 5 == 0:
                    client.shutdown(socket.SHUT_WR)
                    while client.recv(4096):
                        pass
            except (ConnectionResetError, BrokenPipeError) as error:
                pass  # closed already, which is an answer; what is left hanging times out and fails
            except OSError as error:
                if error.errno != 107:  # not connected any more
                    raise
