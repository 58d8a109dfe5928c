"""``python -m quicgw_fast`` is the command ``quicgw``."""

from quicgw_fast.cli import main

if __name__ == "__main__":
    main()
