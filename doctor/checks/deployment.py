"""The deployment: connection, TLS, version, and whether it has search."""

import time
from collections.abc import Mapping, Sequence
from ipaddress import ip_address

from pymongo.uri_parser import split_options

from leafsearch.config.text import counted
from leafsearch.doctor.context import Case
from leafsearch.doctor.findings import Verdict, ok, problem, warning
from leafsearch.vectors import DeploymentError, connect, explain_errors
from leafsearch.vectors.store import (
    MOST_IN_FLEX,
    MOST_IN_FREE,
    is_small_atlas,
    list_all_indexes,
)

_OLDEST = (6, 0)
_UNCHECKED = ("tlsinsecure", "tlsallowinvalidcertificates", "tlsallowinvalidhostnames")


def connection(case: Case) -> Verdict:
    try:
        case.client = connect(case.order.uri)
    except DeploymentError as error:
        return problem(str(error))
    started = time.perf_counter()
    with explain_errors():
        case.client.admin.command("ping")
    milliseconds = 1000 * (time.perf_counter() - started)
    return ok(f"{', '.join(_hosts(case))} answers in {milliseconds:.1f} ms")


def tls(case: Case) -> Verdict:
    return judge_tls(case.order.uri, _hosts(case))


def judge_tls(uri: str, hosts: Sequence[str]) -> Verdict:
    options = _options(uri)
    if all(map(_is_local, hosts)):
        return ok("not needed: the server is on this machine")
    if not _encrypted(uri, options):
        return warning(
            f"password, texts and vectors go to {', '.join(hosts)} unencrypted; add tls=true to "
            "MONGODB_URI (--uri)"
        )
    if unchecked := [name for name in _UNCHECKED if options.get(name) == "true"]:
        return warning(
            f"encrypted, but {unchecked[0]}=true lets anyone pose as {', '.join(hosts)}. Name the "
            "certificate authority with tlsCAFile instead"
        )
    return ok("encrypted, and the server's certificate is checked")


def version(case: Case) -> Verdict:
    with explain_errors():
        found = case.client.server_info()
    return judge_version(str(found["version"]))


def judge_version(version: str) -> Verdict:
    shown = f"MongoDB {version}"
    if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST:
        return problem(
            f"{shown}: $vectorSearch needs 6.0.11, 7.0.2 or newer on Atlas, 8.2 or newer with "
            "mongot, or 6.0 behind `leaf-mongo gateway`; upgrade"
        )
    return ok(shown)


def search(case: Case) -> Verdict:
    case.listed = case.aggregate({"$listSearchIndexes": {}})
    names = ", ".join(str(index["name"]) for index in case.listed)
    found = f"available; search indexes of {case.full_name}: {names or 'none'}"
    with explain_errors():
        if not is_small_atlas(case.client):
            return ok(found)
        count = len(list_all_indexes(case.client))
    return ok(
        f"{found}; this small cluster of Atlas has {counted(count, 'index', 'indexes')} in all, of "
        f"{MOST_IN_FREE} in a free cluster (M0) or {MOST_IN_FLEX} in a Flex cluster: a rebuild "
        "needs room for another set",
        search_indexes=count,
    )


def _hosts(case: Case) -> list[str]:
    return sorted(host if port is None else f"{host}:{port}" for host, port in case.client.nodes)


def _is_local(host: str) -> bool:
    name = host.rpartition(":")[0] or host
    if name == "localhost" or host.startswith("/"):
        return True
    try:
        return ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def _encrypted(uri: str, options: Mapping[str, str]) -> bool:
    default = "true" if uri.startswith("mongodb+srv://") else "false"
    return options.get("tls", default) == "true"


def _options(uri: str) -> dict[str, str]:
    """Options as the driver parses them, which accepts most characters in a password; `ssl` as
    `tls`."""
    given = uri.partition("://")[2].partition("?")[2]
    options = split_options(given, validate=False) if given else {}
    return {name.lower(): str(value).lower() for name, value in options.items()}
