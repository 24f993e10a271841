"""The gateway's own questions to mongod, asked between a client's on the client's connection."""

import asyncio
from typing import Any

from leafmongo.proxy import wire
from leafmongo.proxy.wire import HEADER_BYTES


class Question:
    """One that is under way; what mongod sends meanwhile goes through `take`.

    The client never gets its answer, also after the search that asked has been given up.
    """

    def __init__(self, body: dict[str, Any]) -> None:
        self._number = wire.next_id()
        self.message = wire.write_message(body, request_id=self._number)
        self.answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self.has_come = False
        self._received = bytearray()

    def take(self, data: bytes) -> bytes:
        """Keep the answer; what else has arrived is returned, for the client."""
        self._received += data
        others = b""
        while not self.has_come and len(self._received) >= HEADER_BYTES:
            size = wire.message_size(self._received)
            if len(self._received) < size:
                return others
            message = bytes(self._received[:size])
            del self._received[:size]
            if wire.response_to(message) == self._number:
                self.has_come = True
                if not self.answer.done():
                    self.answer.set_result(wire.read_request(message).body)
            else:
                others += message
        if self.has_come:
            others += bytes(self._received)
            self._received.clear()
        return others

    def give_up(self) -> None:
        if not self.answer.done():
            self.answer.set_exception(ConnectionError("the connection was closed"))
