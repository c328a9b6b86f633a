# SPDX-License-Identifier: BSD-2-Clause-Patent
"""usage: tls_server.py FOLDER CERTIFICATE PORT: serves FOLDER by HTTPS, and prints each handshake that
fails. CERTIFICATE is a PEM file that also holds the key."""

from __future__ import annotations

import functools
import http.server
import ssl
import sys
from typing import Any


class Server(http.server.ThreadingHTTPServer):
    def __init__(self, port: int, handler: Any, context: ssl.SSLContext) -> None:
        super().__init__(("", port), handler)
        self._context = context

    def finish_request(self, request: Any, client_address: Any) -> None:
        try:
            request = self._context.wrap_socket(request, server_side=True)
        except OSError as error:
            print(f"no handshake with {client_address[0]}: {error}", flush=True)
            return
        super().finish_request(request, client_address)
        request.close()


def main(folder: str, certificate: str, port: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    server = Server(int(port), handler, context)
    print("Serving HTTPS", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
