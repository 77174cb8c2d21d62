"""`landfall schema`: the JSON schema of pipeline.yaml, for editors."""

from __future__ import annotations

from cli.errors import reported


@reported
def schema() -> None:
    """Print the JSON schema of pipeline.yaml, which an editor completes and checks with."""
    from cli.show import print_json
    from include.spec.schema import pipeline_schema

    print_json(pipeline_schema())
