"""Search commands: what is allowed where, how they are answered, what mongod runs behind them."""
