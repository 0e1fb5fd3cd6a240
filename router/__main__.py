"""`python -m router` is `turnout`."""

from router.cli import main

if __name__ == "__main__":
    main()
