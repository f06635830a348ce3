"""The image's HEALTHCHECK: exit code 0 while the health port answers 200. It must stay cheap: nothing is imported."""

import http.client
import os
import sys

TIMEOUT_S = 4


def main() -> int:
    port = int(os.environ.get("MODEL_HEALTH_PORT") or 8081)
    connection = http.client.HTTPConnection(os.environ.get("MODEL_HOST") or "127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/health")
        return 0 if connection.getresponse().status == http.client.OK else 1
    except OSError:
        return 1


if __name__ == "__main__":
    sys.exit(main())
