from __future__ import annotations

from tests import reference

if __name__ == "__main__":
    reference.write()
