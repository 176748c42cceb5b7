"""Exporters that others wrote send to a running `quillon up`, and everything is read back and compared."""

import logging
import os
import sys

for name in [name for name in os.environ if name.startswith("OTEL_")]:
    del os.environ[name]
# The SDK tells of failed exports, which some tests are about.
logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)

import by_hand  # noqa: E402, F401
import python_sdk  # noqa: E402, F401
import recorded  # noqa: E402, F401
import rust_sdk  # noqa: E402, F401
from quillon import Quillon  # noqa: E402
from report import run_all  # noqa: E402

if __name__ == "__main__":
    with Quillon() as quillon:
        code = run_all(quillon)
    sys.exit(code)
