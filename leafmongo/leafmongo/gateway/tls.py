"""TLS towards an upstream, by the options of its URI, as PyMongo reads them for itself."""

import ssl
from collections.abc import Mapping
from typing import Any


def context(options: Mapping[str, Any]) -> ssl.SSLContext | None:
    """For the streams of clients; None where the URI asks for no TLS."""
    if not options.get("tls"):
        return None
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = not options.get("tlsAllowInvalidHostnames", False)
    if options.get("tlsAllowInvalidCertificates"):
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    if crl := options.get("tlsCRLFile"):
        made.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        made.load_verify_locations(crl)
    if authorities := options.get("tlsCAFile"):
        made.load_verify_locations(authorities)
    else:
        made.load_default_certs()
    if certificate := options.get("tlsCertificateKeyFile"):
        made.load_cert_chain(certificate, None, options.get("tlsCertificateKeyFilePassword"))
    return made
