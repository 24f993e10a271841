"""Passwords of a deployment that listens on a port: those of its one user and of the gateway.

mongod authenticates clients (SCRAM). The gateway logs in with a key file, as the members of a
replica set do, so that it can restore the user at every start.
"""

import base64
import os
import re
import secrets
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure

from leafmongo.deployment.paths import USER, Home

_NO_SUCH_USER = 11


def create_secrets(home: Home) -> None:
    """Create the password and the key unless an earlier start has."""
    _create(home.password_file, secrets.token_urlsafe(24))
    _create(home.key_file, base64.b64encode(secrets.token_bytes(96)).decode())


def ensure_user(client: MongoClient[dict[str, Any]], password: str) -> None:
    """Create or update the user, with all rights and this password."""
    settings: dict[str, Any] = {"pwd": password, "roles": ["root"]}
    try:
        client.admin.command("updateUser", USER, **settings)
    except OperationFailure as error:
        if error.code != _NO_SUCH_USER:
            raise
        client.admin.command("createUser", USER, **settings)


def mask_password(uri: str) -> str:
    """Replace the password in a URI by ***."""
    return re.sub(r"(//[^:@/]*:)[^@]*@", r"\1***@", uri)


def _create(file: Path, secret: str) -> None:
    if file.exists() and file.stat().st_size:
        return
    # Renamed when complete: the next start must not find half a secret.
    partial = file.with_suffix(".new")
    partial.unlink(missing_ok=True)
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(secret)
    partial.replace(file)
