"""`python -m router.simulate`: the demo's child, which serves the models on sockets that it inherits.

It reads one JSON object from standard input (see `children.Orders`) and ends when standard input is closed.
"""

from __future__ import annotations

import socket
import sys
import threading

import msgspec
import uvicorn

from router.simulate.children import Orders
from router.simulate.server import application, configuration


def main() -> None:
    orders = msgspec.json.decode(sys.stdin.buffer.readline(), type=Orders)
    sockets = {name: socket.socket(fileno=number) for name, number in orders.sockets.items()}
    server = uvicorn.Server(configuration(application(orders.read_catalog(), sockets, orders.options)))

    def follow() -> None:
        sys.stdin.buffer.read()
        server.should_exit = True

    threading.Thread(target=follow, daemon=True).start()
    server.run(sockets=list(sockets.values()))


if __name__ == "__main__":
    main()
