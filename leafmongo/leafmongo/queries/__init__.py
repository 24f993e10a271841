"""Search commands: validate them, answer them, rewrite the pipeline that mongod runs."""
