"""Serves one service of OpenStack: a WSGI application in one process with threads.

Runs in the services' environment: `serve.py MODULE HOST PORT THREADS`.
"""

import importlib
import os
import signal
import sys


def main() -> None:
    module, host, port, threads = sys.argv[1:5]
    # Services read the arguments as options of their own.
    sys.argv = [module]
    application = importlib.import_module(module).application
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    from waitress import serve

    serve(application, host=host, port=int(port), threads=int(threads), channel_timeout=300)


if __name__ == "__main__":
    main()
