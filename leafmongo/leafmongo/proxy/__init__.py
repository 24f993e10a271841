"""The wire protocol between clients and mongod: connections, messages, the threads of commands."""
