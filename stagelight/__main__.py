"""`python -m stagelight`: starts the page and fetches models."""

from stagelight.command import main

if __name__ == "__main__":
    raise SystemExit(main())
