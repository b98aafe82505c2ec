"""The wrapper around a stage."""

from flows import steps


def test_a_step_has_no_tag_for_whose_limit_prefect_would_ask(monkeypatch):
    options = {}

    def recorded(**given):
        options.update(given)
        return lambda function: lambda *arguments: function(*[each.unquote() for each in arguments])

    monkeypatch.setattr(steps, "task", recorded)
    seen = []
    steps.run_step("retrain 1", seen.append, "argument")
    assert seen == ["argument"]
    assert options["name"] == "retrain 1" and not options.get("tags")
