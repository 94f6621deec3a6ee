"""AWS's price list, as far as Tandem asks it: the same request and answer, on loopback."""

import contextlib
import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@contextlib.contextmanager
def price_list(products: Mapping[str, float]) -> Iterator[str]:
    """Serve prices in dollars for the block; a key is one value that a filter asks for."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answerer)
    server.products = products  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Answerer(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        request = json.loads(self.rfile.read(length))
        wanted = {one["Field"]: one["Value"] for one in request["Filters"]}
        products: Mapping[str, float] = self.server.products  # type: ignore[attr-defined]
        found = [price for name, price in products.items() if name in wanted.values()]
        body = json.dumps({"PriceList": [json.dumps(_product(price)) for price in found]})
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


def _product(price: float) -> dict[str, Any]:
    dimension = {"unit": "Hrs", "beginRange": "0", "pricePerUnit": {"USD": f"{price:.10f}"}}
    term = {"priceDimensions": {"sku.term.dimension": dimension}}
    return {"product": {"sku": "sku"}, "terms": {"OnDemand": {"sku.term": term}}}
