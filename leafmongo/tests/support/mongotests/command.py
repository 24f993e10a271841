"""`leaf-mongo` in this process."""

from typer.testing import CliRunner, Result

from leafmongo.__main__ import app


def leaf_mongo(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])
