"""The admin page of a device, over IPv4 and IPv6. Lab.serve() runs it as a program in a namespace: page.py PORT..."""

import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGE = "<title>Camera 1: admin</title>\n"


class Page(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = PAGE.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Nobody reads it."""


class Server(ThreadingHTTPServer):
    address_family = socket.AF_INET6  # with IPv4 as mapped addresses, as the kernel does unless told otherwise
    daemon_threads = True
    request_queue_size = 128

    def server_bind(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a connection of the one before may linger
        self.socket.bind(self.server_address)  # HTTPServer's own looks up the host's name: there is nobody to ask


if __name__ == "__main__":
    for port in sys.argv[1:]:
        threading.Thread(target=Server(("::", int(port)), Page).serve_forever).start()
