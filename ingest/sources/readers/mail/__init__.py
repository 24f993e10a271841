"""E-mail: single messages and mailboxes."""

from leafsearch.ingest.sources.readers.mail.mailbox import read_mbox
from leafsearch.ingest.sources.readers.mail.message import read_eml

__all__ = ["read_eml", "read_mbox"]
