"""The rules as Pulumi's engine asks for them, all of them mandatory."""

from collections.abc import Callable

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyConfigSchema,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)

from policy import rules
from policy.known import plain
from policy.rules import Caps

NAME = "tandem"
_CAPS = PolicyConfigSchema(
    properties={
        "most_nodes": {
            "type": "integer",
            "minimum": 1,
            "default": rules.MOST_NODES,
            "description": "How many machines a stack may have",
        },
        "most_dollars_an_hour": {
            "type": "number",
            "minimum": 0,
            "default": rules.MOST_DOLLARS_AN_HOUR,
            "description": "What all machines of a stack may cost in an hour, in USD",
        },
        "allow_unpriced": {
            "type": "boolean",
            "default": False,
            "description": "Allow machines whose price the bundled table lacks",
        },
    }
)
_TYPES = PolicyConfigSchema(
    properties={
        "allow_types": {
            "type": "array",
            "items": {"type": "string"},
            "default": [],
            "description": "Types of resources that no rule judges and that are wanted",
        }
    }
)


def make_pack() -> PolicyPack:
    """Hand all rules to the engine; it runs them before it makes anything."""
    return PolicyPack(name=NAME, policies=policies())


def policies() -> list[Policy]:
    """Return every rule."""
    each: list[Policy] = [
        ResourceValidationPolicy(
            name=rule.__name__.replace("_", "-"),
            description=str(rule.__doc__).splitlines()[0],
            enforcement_level=EnforcementLevel.MANDATORY,
            config_schema=_TYPES if rule is rules.judged else None,
            validate=_of_resource(rule),
        )
        for rule in rules.OF_RESOURCES
    ]
    return [
        *each,
        StackValidationPolicy(
            name="caps",
            description=str(rules.caps.__doc__).splitlines()[0],
            enforcement_level=EnforcementLevel.MANDATORY,
            config_schema=_CAPS,
            validate=_caps,
        ),
        StackValidationPolicy(
            name="private-buckets",
            description=str(rules.private_buckets.__doc__).splitlines()[0],
            enforcement_level=EnforcementLevel.MANDATORY,
            validate=_private_buckets,
        ),
    ]


def _of_resource(rule: rules.Rule) -> Callable[[ResourceValidationArgs, ReportViolation], None]:
    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        if args.resource_type in (args.get_config() or {}).get("allow_types", ()):
            return
        for words in rule(args.resource_type, plain(args.props)):
            report(f"{args.name}: {words}", None)

    return validate


def _caps(args: StackValidationArgs, report: ReportViolation) -> None:
    given = args.get_config()
    # The engine takes any name, and a misspelt one would be a cap that caps nothing.
    for name in sorted(set(given) - set(_CAPS.properties)):
        report(f"caps has no {name!r}; it has {', '.join(_CAPS.properties)}", None)
    limits = Caps(
        int(given.get("most_nodes", rules.MOST_NODES)),
        float(given.get("most_dollars_an_hour", rules.MOST_DOLLARS_AN_HOUR)),
        bool(given.get("allow_unpriced", False)),
    )
    for words in rules.caps(_resources(args), limits):
        report(words, None)


def _private_buckets(args: StackValidationArgs, report: ReportViolation) -> None:
    for words in rules.private_buckets(_resources(args)):
        report(words, None)


def _resources(args: StackValidationArgs) -> list[tuple[str, rules.Props]]:
    return [(one.resource_type, plain(one.props)) for one in args.resources]
