import json

import jsonschema
from cli.desk import AUDIT, Desk


def test_what_the_command_prints_describes_what_the_audit_wrote(desk: Desk) -> None:
    desk.bring("train.npz", "test.npz", "model.pt2", "my_factory.py")
    said = desk.run("schema")
    assert (said.status, said.err) == (0, "")
    schema = json.loads(said.out)
    jsonschema.Draft202012Validator.check_schema(schema)
    report = desk.reports(*AUDIT, "--model", "model.pt2")
    jsonschema.Draft202012Validator(schema).validate(report)
    for place in ("about", "times"):
        assert set(report[place]) <= set(schema["properties"][place]["properties"]), place
