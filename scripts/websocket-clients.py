#!/usr/bin/env python3
"""Takes what a function sends to clients of the WebSocket API, and prints it: `websocket-clients.py http://127.0.0.1:PORT/STAGE`."""
import http.server
import sys
import urllib.parse


class Clients(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        message = self.rfile.read(int(self.headers.get("content-length", 0))).decode(errors="replace")
        print(f"sent to {self.client()}: {message}", flush=True)
        self.end(200)

    def do_DELETE(self):
        print(f"disconnected {self.client()}", flush=True)
        self.end(204)

    def client(self):
        return urllib.parse.unquote(self.path.rsplit("/", 1)[-1])

    def end(self, status):
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", urllib.parse.urlparse(sys.argv[1]).port), Clients).serve_forever()
