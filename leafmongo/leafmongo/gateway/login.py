"""Passwords of a deployment that listens on a port: its one user, and the gateway's own key.

mongod decides who is let in (SCRAM). The gateway logs in as mongod's members do among themselves,
so that whatever becomes of the user, it can put the user right at the next start.
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


def prepare(home: Home) -> None:
    """Make the password and the key, if they are not there from an earlier start."""
    _keep(home.password_file, secrets.token_urlsafe(24))
    _keep(home.key_file, base64.b64encode(secrets.token_bytes(96)).decode())


def settle_user(client: MongoClient[dict[str, Any]], password: str) -> None:
    """There is the user, with all rights and this password."""
    settings: dict[str, Any] = {"pwd": password, "roles": ["root"]}
    try:
        client.admin.command("updateUser", USER, **settings)
    except OperationFailure as error:
        if error.code != _NO_SUCH_USER:
            raise
        client.admin.command("createUser", USER, **settings)


def masked(uri: str) -> str:
    """The same address without its password."""
    return re.sub(r"(//[^:@/]*:)[^@]*@", r"\1***@", uri)


def _keep(file: Path, secret: str) -> None:
    if file.exists() and file.stat().st_size:
        return
    # Under another name first: half a secret must not stay for the next start.
    partial = file.with_suffix(".new")
    partial.unlink(missing_ok=True)
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(secret)
    partial.replace(file)
