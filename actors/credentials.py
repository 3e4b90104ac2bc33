"""Keys of servers: they come from the environment and appear in no setting, row or log."""

import os

from harken.errors import HarkenError

# The client insists on a key; servers without keys do not look at it.
NO_KEY = "none"


def api_key(variable: str | None, setting: str) -> str:
    """The key that environment variable ``variable`` holds; ``setting`` is where a user names that variable.

    Raises:
        HarkenError: the variable is not set on this machine.
    """
    if variable is None:
        return NO_KEY
    key = os.environ.get(variable, "").strip()
    if not key:
        remedy = (
            "It holds the server's key and is not set here: export it before the job (for ray job submit, in env_vars "
            f"of --runtime-env-json), or set {setting} to null for a server without keys."
        )
        raise HarkenError("environment variable", variable, remedy)
    return key
